"use strict";
// The table of runs: rows come as they change, and what the reader chose (filter, sort, columns, runs) stays as it is.

const $ = (id) => document.getElementById(id);
const table = $("runs");
const pause = 1000;
const shownAtFirst = 300;
const statuses = ["running", "finished", "stopped", "interrupted", "failed", "damaged", "waiting"];
const rows = new Map(); // by id: what the server said
const drawn = new Map(); // by id: the row of the table
const remembered = new URLSearchParams(location.hash.slice(1));
const kept = sessionStorage.getItem("dlrun-chosen");

const state = {
  filter: remembered.get("filter") ?? "",
  status: remembered.get("status") ?? "",
  sort: remembered.get("sort") ?? "-started",
  grouped: remembered.get("grouped") !== "no",
  columns: JSON.parse(localStorage.getItem("dlrun-columns") ?? "null"),
  open: new Set(remembered.getAll("open")),
  chosen: new Set(kept ? JSON.parse(kept) : []),
  limit: shownAtFirst,
};

const server = { session: "", version: 0, ahead: 0 };

// What columns show, and what they are sorted by.

const number = (value) => {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return Number(value.toPrecision(3)).toExponential();
  return size >= 1000 ? value.toLocaleString("en", { maximumFractionDigits: 1 }) : String(Number(value.toPrecision(4)));
};
const moment = (seconds) => {
  if (seconds === null) return "";
  const date = new Date(seconds * 1000);
  const day = date.toDateString() === new Date().toDateString() ? {} : { month: "short", day: "numeric" };
  return date.toLocaleString("en", { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
};
const span = (seconds) => {
  if (seconds === null) return "";
  const whole = Math.round(seconds);
  if (whole < 60) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`;
};
const lasted = (row) => row.since === null ? row.seconds : Math.max(Date.now() / 1000 + server.ahead - row.since, 0);
const share = (row) => row.epochs ? (row.epoch ?? 0) / row.epochs : null;

const last = (row, name) => (name === "parameters" ? row.parameters : row.metrics[name]) ?? null;

const columns = () => [
  { key: "name", label: "run", order: (row) => row.label, fill: fillName },
  { key: "status", label: "status", order: (row) => row.status, fill: fillStatus },
  { key: "progress", label: "progress", order: share, fill: fillProgress },
  { key: "main", label: "best", order: (row) => row.main?.value ?? null, fill: fillMain },
  { key: "curve", label: "curve", fill: fillCurve },
  ...chosenColumns().map((name) => ({
    key: `last:${name}`, label: name === "parameters" ? name : `last ${name}`, number: true, order: (row) => last(row, name),
    fill: (cell, row) => write(cell, name === "parameters" ? row.parameters?.toLocaleString("en") ?? "" : number(last(row, name))),
  })),
  { key: "duration", label: "duration", number: true, order: lasted, fill: (cell, row) => write(cell, span(lasted(row))) },
  { key: "started", label: "started", order: (row) => row.started, fill: (cell, row) => write(cell, moment(row.started)) },
];

// The columns that may be chosen: every metric, those that most runs have first, and the size.
function offered() {
  const counts = new Map();
  for (const row of rows.values()) for (const name of Object.keys(row.metrics)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const rank = ([name, count]) => count * (name.startsWith("validation/") ? 2 : 1);
  const names = [...counts].sort((a, b) => rank(b) - rank(a) || a[0].localeCompare(b[0])).map(([name]) => name);
  return [...names, "parameters"];
}

function chosenColumns() {
  const names = offered();
  const chosen = state.columns?.filter((name) => names.includes(name));
  return chosen && (chosen.length || !state.columns.length) ? chosen : names.slice(0, 2);
}

// Cells.

function write(cell, text) {
  if (cell.textContent === text) return;
  const isNews = cell.textContent !== "" && cell.dataset.key !== "duration";
  cell.textContent = text;
  if (isNews) flash(cell);
}

function flash(cell) {
  cell.classList.remove("fresh");
  void cell.offsetWidth; // starts the animation anew
  cell.classList.add("fresh");
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const address = (id) => id.split("/").map(encodeURIComponent).join("/");

function fillName(cell, row) {
  const group = rows.get(row.group);
  const parts = [];
  if (row.kind !== "run" && state.grouped) {
    const isOpen = opened(row.id);
    const fold = element("button", { type: "button", className: "fold", textContent: isOpen ? "▾" : "▸", title: isOpen ? "fold up" : "unfold" });
    fold.setAttribute("aria-expanded", isOpen);
    fold.dataset.group = row.id;
    parts.push(fold);
  }
  const name = row.label;
  parts.push(row.kind === "folds" ? name : element("a", { href: `/runs/${address(row.id)}/report.html`, textContent: name }));
  const place = group && state.grouped ? "" : name === row.name ? row.folder : row.id;
  const kind = { sweep: "sweep", folds: "cross-validation", run: "" }[row.kind];
  const best = row.best ? `best: ${row.best}` : "";
  const config = group ? "" : row.config?.split("/").pop();
  const more = [kind, several.folders || group ? place : "", config, best].filter(Boolean).join(" · ");
  if (more) parts.push(element("small", { textContent: more }));
  cell.replaceChildren(...parts);
  cell.title = [row.id, row.command].filter(Boolean).join("\n");
}

function fillStatus(cell, row) {
  const more = row.problem ?? row.reason;
  cell.replaceChildren(element("span", { className: `status ${row.status}`, textContent: row.status }), ...(more ? [element("small", { textContent: more, title: more })] : []));
}

function fillProgress(cell, row) {
  const done = row.epoch ?? 0;
  const of = row.epochs ? `${done}/${row.epochs}` : row.epoch === null ? "" : String(done);
  const unit = { sweep: " trials", folds: " folds", run: "" }[row.kind];
  const bar = row.status === "running" && row.epochs ? [element("progress", { max: row.epochs, value: done })] : [];
  cell.replaceChildren(...bar, of && of + unit);
}

function fillMain(cell, row) {
  if (!row.main) return cell.replaceChildren();
  const spread = row.main.spread === undefined || row.main.spread === null ? "" : ` ± ${number(row.main.spread)}`;
  const when = row.main.epoch && row.kind === "run" ? [element("span", { className: "faint", textContent: ` in epoch ${row.main.epoch}` })] : [];
  cell.replaceChildren(number(row.main.value) + spread, ...when, element("small", { textContent: row.main.name }));
}

function fillCurve(cell, row) {
  cell.replaceChildren();
  if (row.curve.length < 2) return;
  const [low, high] = [Math.min(...row.curve), Math.max(...row.curve)];
  const points = row.curve.map((value, index) => `${(index * 96) / (row.curve.length - 1)},${high > low ? 22 - ((value - low) * 20) / (high - low) : 12}`);
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  drawing.setAttribute("viewBox", "0 0 96 24");
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("class", "curve");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", `${row.main?.name ?? "main metric"} over the epochs`);
  drawing.append(line);
  cell.append(drawing);
}

// Which rows are shown, and in which order.

const several = { folders: false };
const opened = (id) => state.open.has(id) || state.filter.trim() !== "";

function matches(row, words) {
  if (state.status && row.status !== state.status) return false;
  const text = [row.id, row.status, row.reason, row.problem, row.config, row.main?.name, row.label, ...Object.entries(row.values).flat()].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function ordered(list) {
  const sign = state.sort.startsWith("-") ? -1 : 1;
  const order = columns().find((column) => column.key === state.sort.replace(/^-/, ""))?.order ?? ((row) => row.started);
  return list.map((row) => [order(row), row]).sort(([a, one], [b, other]) => {
    const [noA, noB] = [a, b].map((value) => value === null || value === undefined || value === "");
    if (noA || noB) return noA - noB || (one.id < other.id ? -1 : 1);
    const found = typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
    return sign * found || (one.id < other.id ? -1 : 1);
  }).map(([, row]) => row);
}

function visible() {
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [...rows.values()];
  const fitting = new Set(all.filter((row) => matches(row, words)));
  if (!state.grouped) return ordered([...fitting].filter((row) => row.kind === "run"));
  const members = groups(fitting);
  const heads = all.filter((row) => !rows.has(row.group) && (fitting.has(row) || members.has(row.id)));
  return ordered(heads).flatMap((row) => [row, ...(row.kind !== "run" && opened(row.id) ? ordered(members.get(row.id) ?? []) : [])]);
}

function groups(fitting) {
  const found = new Map();
  for (const row of fitting) if (row.group) found.set(row.group, [...(found.get(row.group) ?? []), row]);
  return found;
}

// Drawing: what stays the same isn't touched, so that focus and marked text stay too.

function draw() {
  const shown = visible();
  several.folders = new Set([...rows.values()].filter((row) => !row.group).map((row) => row.folder)).size > 1;
  const all = columns();
  drawHead(all);
  const body = table.tBodies[0];
  const wanted = shown.slice(0, state.limit);
  const ids = new Set(wanted.map((row) => row.id));
  for (const [id, made] of drawn) {
    if (ids.has(id)) continue;
    made.remove();
    drawn.delete(id);
  }
  wanted.forEach((row, index) => {
    const made = drawn.get(row.id) ?? newRow(row);
    drawRow(made, row, all);
    if (body.rows[index] !== made) body.insertBefore(made, body.rows[index] ?? null);
  });
  const runs = [...rows.values()].filter((row) => row.kind === "run").length;
  $("count").textContent = runs === 0 ? "There are no runs here yet; dlrun train makes one, and it appears by itself." : `${shown.filter((row) => row.kind === "run").length} of ${runs} runs are shown.`;
  $("more").hidden = shown.length <= state.limit;
  $("more").textContent = `show ${shown.length - state.limit} more`;
  drawTools(all);
}

function newRow(row) {
  const made = element("tr");
  made.dataset.id = row.id;
  made.append(element("td", { className: "pick" }));
  if (row.kind === "run") {
    const box = element("input", { type: "checkbox" });
    box.setAttribute("aria-label", `choose ${row.id} for a comparison`);
    made.cells[0].append(box);
  }
  drawn.set(row.id, made);
  return made;
}

function drawRow(made, row, all) {
  made.className = [state.grouped && rows.has(row.group) ? "member" : "", state.chosen.has(row.id) ? "chosen" : "", row.kind].join(" ");
  const box = made.cells[0].firstChild;
  if (box) box.checked = state.chosen.has(row.id);
  const keys = all.map((column) => column.key).join();
  const version = [JSON.stringify(row), keys, state.grouped, opened(row.id), several.folders, rows.get(row.group)?.kind].join();
  if (made.version === version) return;
  if (made.keys !== keys) {
    while (made.cells.length > 1) made.lastChild.remove();
    for (const column of all) {
      const cell = element("td", { className: column.key === "name" ? "name" : column.number ? "number" : "" });
      cell.dataset.key = column.key;
      if (column.key !== "name") cell.dataset.label = column.label;
      made.append(cell);
    }
  }
  all.forEach((column, index) => column.fill(made.cells[index + 1], row));
  Object.assign(made, { version, keys });
}

function drawHead(all) {
  const line = table.tHead.rows[0];
  const version = all.map((column) => column.key).join() + state.sort;
  if (line.dataset.version === version) return;
  const focused = document.activeElement?.closest?.("th")?.dataset.key;
  line.dataset.version = version;
  line.replaceChildren(element("td"), ...all.map((column) => {
    const head = element("th", { scope: "col", className: column.number ? "number" : "" });
    head.dataset.key = column.key;
    if (!column.order) return Object.assign(head, { textContent: column.label, className: "plain" });
    head.append(element("button", { type: "button", textContent: column.label.replaceAll("/", "/\u200b") })); // may break there
    if (state.sort.replace(/^-/, "") === column.key) head.setAttribute("aria-sort", state.sort.startsWith("-") ? "descending" : "ascending");
    return head;
  }));
  if (focused) line.querySelector(`th[data-key="${CSS.escape(focused)}"] button`)?.focus();
}

function drawTools(all) {
  const runs = [...rows.values()].filter((row) => row.kind === "run");
  const counts = statuses.map((name) => [name, runs.filter((row) => row.status === name).length]).filter(([name, count]) => count || name === state.status);
  fillOnce($("statuses"), JSON.stringify([counts, state.status, runs.length]), () => [["", runs.length], ...counts].map(([name, count]) => {
    const button = element("button", { type: "button", value: name, className: name && `status ${name}`, textContent: `${name || "all"} ${count}` });
    button.setAttribute("aria-pressed", state.status === name);
    return button;
  }));
  const sortable = all.filter((column) => column.order);
  fillOnce($("sort"), sortable.map((column) => column.key).join(), () => sortable.flatMap((column) => [
    element("option", { value: column.key, textContent: `${column.label} ▲` }), element("option", { value: `-${column.key}`, textContent: `${column.label} ▼` }),
  ]));
  $("sort").value = state.sort;
  const [names, chosen] = [offered(), chosenColumns()];
  fillOnce($("columns"), names.join() + chosen.join(), () => names.map((name) => element("label", {}, element("input", { type: "checkbox", value: name, checked: chosen.includes(name) }), ` ${name}`)));
  for (const id of state.chosen) if (rows.size && !rows.has(id)) state.chosen.delete(id);
  const count = state.chosen.size;
  $("clear").hidden = count === 0;
  $("compare").textContent = count > 1 ? `compare ${count} runs` : "compare";
  $("compare").title = count > 1 ? "" : "choose two runs or more";
  $("compare").setAttribute("aria-disabled", count < 2);
  if (count > 1) $("compare").href = `/compare?${[...state.chosen].map((id) => `run=${encodeURIComponent(id)}`).join("&")}`;
  else $("compare").removeAttribute("href");
}

function fillOnce(place, version, make) {
  if (place.dataset.version === version) return;
  place.dataset.version = version;
  const focused = place.contains(document.activeElement) ? document.activeElement.value : null;
  place.replaceChildren(...make());
  if (focused !== null) [...place.querySelectorAll("button, input")].find((each) => each.value === focused)?.focus();
}

// What the reader does.

function change(changes) {
  Object.assign(state, changes);
  const parts = [["filter", state.filter], ["status", state.status], ["sort", state.sort === "-started" ? "" : state.sort], ["grouped", state.grouped ? "" : "no"], ...[...state.open].map((id) => ["open", id])];
  const hash = new URLSearchParams(parts.filter(([, value]) => value)).toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
  sessionStorage.setItem("dlrun-chosen", JSON.stringify([...state.chosen]));
  draw();
}

$("filter").value = state.filter;
$("grouped").checked = state.grouped;
$("filter").addEventListener("input", (event) => change({ filter: event.target.value, limit: shownAtFirst }));
$("grouped").addEventListener("change", (event) => change({ grouped: event.target.checked }));
$("sort").addEventListener("change", (event) => change({ sort: event.target.value }));
$("more").addEventListener("click", () => change({ limit: Infinity }));
$("clear").addEventListener("click", () => change({ chosen: new Set() }));
$("statuses").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) change({ status: state.status === button.value ? "" : button.value });
});
$("columns").addEventListener("change", () => {
  const wanted = [...$("columns").querySelectorAll("input:checked")].map((box) => box.value);
  localStorage.setItem("dlrun-columns", JSON.stringify(wanted));
  change({ columns: wanted });
});
table.tHead.addEventListener("click", (event) => {
  const key = event.target.closest("button")?.parentElement.dataset.key;
  if (key) change({ sort: state.sort === key ? `-${key}` : key });
});
table.tBodies[0].addEventListener("click", (event) => {
  const id = event.target.closest("[data-group]")?.dataset.group;
  if (id) change({ open: toggled(state.open, id) });
});
table.tBodies[0].addEventListener("change", (event) => {
  const id = event.target.closest("tr").dataset.id;
  change({ chosen: toggled(state.chosen, id) });
});
document.addEventListener("click", (event) => {
  const list = document.querySelector(".columns");
  if (!list.contains(event.target)) list.open = false;
});

function toggled(set, id) {
  const made = new Set(set);
  if (!made.delete(id)) made.add(id);
  return made;
}

// News from the server.

function take(news) {
  if (news.whole) rows.clear();
  for (const row of news.rows) rows.set(row.id, row);
  for (const id of news.removed) rows.delete(id);
  Object.assign(server, { session: news.session, version: news.version, ahead: news.now - Date.now() / 1000 });
  if (news.whole || news.rows.length || news.removed.length) draw();
}

function live(isLive) {
  $("life").className = isLive ? "live" : "lost";
  const text = isLive ? "live" : "the board doesn't answer; trying again";
  if ($("life").textContent !== text) $("life").textContent = text;
}

async function ask() {
  try {
    const answer = await fetch(`/api/runs?session=${server.session}&since=${server.version}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    take(await answer.json());
    live(true);
  } catch {
    live(false);
  }
}

async function refresh() {
  if (!document.hidden) await ask();
  setTimeout(refresh, pause);
}

setInterval(() => {
  for (const [id, made] of drawn) {
    const row = rows.get(id);
    const cell = row && row.since !== null && made.querySelector("[data-key=duration]");
    if (cell) cell.textContent = span(lasted(row));
  }
}, 1000);
document.addEventListener("visibilitychange", () => document.hidden || ask());

refresh();
