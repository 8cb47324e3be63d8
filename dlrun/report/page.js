"use strict";
// Charts in the page's colours, light or dark, and tables that sort.

const charts = JSON.parse(document.getElementById("charts").textContent);
const config = { responsive: true, displayModeBar: false };
const touched = matchMedia("(pointer: coarse)").matches; // dragging then scrolls the page, and zooms nothing

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const [ink, line, card] = ["--ink", "--line", "--card"].map(colour);
  const own = { margin: { t: 16, r: 16, b: 48, l: 56 }, hovermode: "closest", dragmode: touched ? false : "zoom", legend: { orientation: "h", y: 1.14 } };
  const result = { ...own, ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
  result.font = { color: ink, family: getComputedStyle(document.body).fontFamily, size: 12 };
  result.hoverlabel = { bgcolor: card, bordercolor: line, font: { color: ink } };
  for (const axis of Object.keys(result).filter((key) => /^[xy]axis\d*$/.test(key))) {
    result[axis] = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ...result[axis] };
  }
  return result;
}

function draw(index, view) {
  const chart = charts[index];
  chart.view = view;
  const copy = structuredClone({ traces: chart.views[view].traces, layout: chart.layout });
  return Plotly.react(`chart-${index}`, copy.traces, themed(copy.layout), config);
}

async function unpack() {
  const packed = Uint8Array.from(atob(document.getElementById("library").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

async function drawAll() {
  if (!window.Plotly) await unpack();
  await Promise.all(charts.map((chart, index) => draw(index, 0)));
  document.body.dataset.drawn = charts.length;
}

for (const list of document.querySelectorAll("select[data-chart]")) {
  list.addEventListener("change", () => draw(Number(list.dataset.chart), Number(list.value)));
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  charts.forEach((chart, index) => draw(index, chart.view));
});

function compare(one, other) {
  const [a, b] = [one.dataset.order, other.dataset.order];
  if (a !== undefined && b !== undefined) return a - b;
  if ((a === undefined) !== (b === undefined)) return a === undefined ? 1 : -1;
  return one.textContent.localeCompare(other.textContent, undefined, { numeric: true });
}

function sortBy(head, sign) {
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const body = head.closest("table").tBodies[0];
  const rows = [...body.rows].sort((a, b) => sign * compare(a.cells[head.cellIndex], b.cells[head.cellIndex]));
  body.append(...rows);
}

for (const button of document.querySelectorAll("th button")) {
  const head = button.parentElement;
  button.addEventListener("click", () => sortBy(head, head.ariaSort === "ascending" ? -1 : 1));
}

drawAll();
