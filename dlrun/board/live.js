"use strict";
// Keeps a comparison up to date: fetches the page again, and takes over its charts' data and its tables' rows.

const pause = 2000;
let tag = null;

function takeOver(other) {
  const news = JSON.parse(other.getElementById("charts").textContent);
  const tables = [...document.querySelectorAll("table")];
  const newTables = [...other.querySelectorAll("table")];
  const sameShape = news.length === charts.length && news.every((chart, index) => chart.views.length === charts[index].views.length);
  if (!sameShape || tables.length !== newTables.length) return location.reload(); // a metric, or a difference, more
  news.forEach((chart, index) => {
    charts[index].views = chart.views;
    draw(index, charts[index].view);
  });
  tables.forEach((table, index) => {
    const head = table.querySelector("th[aria-sort]");
    table.tBodies[0].replaceWith(newTables[index].tBodies[0]);
    if (head) sortBy(head, head.ariaSort === "ascending" ? 1 : -1);
  });
}

async function refresh() {
  try {
    const answer = document.hidden ? null : await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (answer?.status === 200) {
      tag = answer.headers.get("ETag");
      takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
  } catch {
    // the board was ended; the page stays as it is, and goes on when the board is there again
  }
  setTimeout(refresh, pause);
}

refresh();
