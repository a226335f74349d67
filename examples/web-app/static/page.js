"use strict";
// Everything from the wire is set as textContent, never as HTML: an error message may hold anything.
const by = (id) => document.getElementById(id);
const PHASES = ["import", "cache", "indicators", "patterns"];

const rows = Object.fromEntries(PHASES.map((phase) => {
  const row = by("phases").insertRow();
  row.id = `phase-${phase}`;
  row.insertCell().textContent = phase;
  const bar = row.insertCell().appendChild(document.createElement("progress"));
  bar.max = 100;
  bar.value = 0;
  return [phase, { row, bar, text: row.insertCell() }];
}));

function show(phase, { percent, current, eta, status }) {
  const { row, bar, text } = rows[phase];
  if (typeof percent === "number") bar.value = percent;
  row.className = status === "failed" ? "failed" : "";
  const left = typeof eta === "number" ? `${Math.round(eta)} s left` : null;
  text.textContent = [status ?? "running", current, left].filter(Boolean).join(" · ");
}

function list(id, key, text, most = 50) {
  const old = [...by(id).children].find((item) => item.dataset.key === key);
  const item = old ?? by(id).insertBefore(document.createElement("li"), by(id).firstChild);
  item.dataset.key = key;
  item.textContent = text;
  while (by(id).children.length > most) by(id).lastChild.remove();
}

const errorText = (e) => [e.severity, e.component, e.error_code, e.symbol, e.message].filter(Boolean).join(" · ");

const socket = io("/admin");
socket.on("connect", () => { by("connection").textContent = "live"; });
socket.on("disconnect", () => { by("connection").textContent = "not connected"; });
socket.on("connect_error", (error) => { by("connection").textContent = `cannot join: ${error.message}`; });

socket.on("processing_status", (run) => {
  if (run.type.endsWith("started")) {
    PHASES.forEach((phase) => { show(phase, { percent: 0, status: "waiting" }); });
    by("errors").replaceChildren();
    by("count").textContent = "0";
  }
  by("status").textContent = run.status ?? run.type.replace("processing_", "");
});
for (const phase of PHASES) {
  socket.on(`${phase}_started`, () => show(phase, { percent: 0 }));
  socket.on(`${phase}_progress`, (its) => show(phase, its));
  socket.on(`${phase}_complete`, ({ status }) => show(phase, { percent: status === "failed" ? null : 100, status }));
}
socket.on("processing_error", (error) => {
  list("errors", error.id, errorText(error));
  by("count").textContent = Number(by("count").textContent) + 1;
});
socket.on("relay_alert", ({ alert, state, severity, title, message }) => {
  list("alerts", alert, [state, severity, title, message].filter(Boolean).join(" · "));
});
// Comes every few seconds while a run goes on: a page that was opened late, or was away, catches up.
socket.on("run_state", (run) => {
  by("status").textContent = run.status;
  for (const [phase, its] of Object.entries(run.phases)) if (phase in rows) show(phase, its);
  by("count").textContent = run.errors;
  if (run.last_error) list("errors", run.last_error.id, errorText(run.last_error));
  for (const its of run.alerts) list("alerts", its.alert, [its.state, its.severity, its.title].filter(Boolean).join(" · "));
});
