"use strict";
// Asks whether the report is there by now, and loads it.

const waiting = document.getElementById("waiting");

async function ask() {
  try {
    const answer = await fetch(waiting.dataset.state, { cache: "no-store" });
    const report = answer.ok ? await answer.json() : { state: "gone" };
    if (report.state !== "waiting") return location.reload();
    document.getElementById("seconds").textContent = Math.round(report.seconds);
  } catch {
    document.getElementById("seconds").textContent = "the board doesn't answer;";
  }
  setTimeout(ask, 400);
}

ask();
