// Live parts, keyboard, ages. Everything else works without this file.
(() => {
  "use strict";
  const body = document.body;
  const $ = (query, from = document) => from.querySelector(query);
  const rows = () => Array.from(document.querySelectorAll("tr[data-href]"));
  let here = -1;

  // --- rows: j, k, enter and click
  const open = (row) => { const link = row.querySelector("a[href]"); window.location.assign(link ? link.href : row.dataset.href); };
  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    all.forEach((row) => row.classList.remove("is-here"));
    here = Math.min(Math.max(here + step, 0), all.length - 1);
    all[here].classList.add("is-here");
    all[here].scrollIntoView({ block: "nearest" });
    const link = all[here].querySelector("a[href]");
    if (link) link.focus({ preventScroll: true });
  };
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-href]");
    if (row && !event.target.closest("a, button, input, select, label, summary") && !String(window.getSelection())) open(row);
    const closer = event.target.closest("[data-close]");
    if (closer) closer.closest("dialog").close();
    if (event.target.closest("[data-keys]")) $("#keys").showModal();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, dialog")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "Enter" && here >= 0 && !event.target.closest("a, button, summary")) open(rows()[here]);
    else if (event.key === "/") { const box = $("input[type=search]"); if (box) { event.preventDefault(); box.focus(); box.select(); } }
    else if (event.key === "?") $("#keys").showModal();
    else if (event.key === "g") window.location.assign(body.dataset.base + "/");
  });

  // --- a table wider than the screen can be scrolled by keyboard
  const reach = () => document.querySelectorAll(".scroll").forEach((box) => {
    if (box.scrollWidth > box.clientWidth && !box.querySelector("a, button, input, select, summary")) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
  reach();
  window.addEventListener("resize", reach);
  body.addEventListener("htmx:afterSettle", reach);

  // --- choices that act at once; the button beside them is for those without JavaScript
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  // --- ages: "0.4 s ago" keeps counting, and a page says when it is stale
  const started = Date.now();
  const words = (seconds) => {
    const zh = document.documentElement.lang === "zh";
    if (seconds < 60) return Math.floor(seconds) + (zh ? " 秒" : " s");
    if (seconds < 3600) return Math.floor(seconds / 60) + (zh ? " 分钟" : " min");
    return Math.floor(seconds / 3600) + (zh ? " 小时" : " h");
  };
  let loaded = started;
  setInterval(() => {
    document.querySelectorAll("[data-age-ms]").forEach((node) => {
      node.textContent = words((Number(node.dataset.ageMs) + Date.now() - loaded) / 1000);
    });
  }, 1000);

  // --- the live stream: one event says that something moved; htmx fetches the part again
  const path = body.dataset.live;
  if (!path || !window.EventSource) return;
  const lost = $("#live-lost");
  let waiting = null;
  const refresh = () => {
    if (waiting) return;
    waiting = setTimeout(() => { waiting = null; if (!document.hidden) window.htmx.trigger(body, "moved"); }, 150);
  };
  const source = new EventSource(path);
  source.addEventListener("moved", refresh);
  source.addEventListener("open", () => { if (lost) lost.hidden = true; });
  source.addEventListener("error", () => { if (lost) lost.hidden = false; });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  document.addEventListener("htmx:afterSettle", () => { loaded = Date.now(); here = -1; });
  window.addEventListener("pagehide", () => source.close());
})();
