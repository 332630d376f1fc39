// Keeps an open page up to date: hears of changes, fetches the page again, and puts in only what differs.
// What a person is typing, has opened or has the focus on stays as it is. Without this file a reload does it.
(() => {
  "use strict";
  const { root, run } = document.body.dataset;
  const live = document.getElementById("live");
  const said = document.getElementById("said");
  let source = null, wanted = false, busy = false;

  const mine = (node) => node.nodeType === 1 &&
    (node.contains(document.activeElement) || node.matches("[data-typed]") || node.querySelector("[data-typed]"));

  function patch(old, now) {
    if (old.isEqualNode(now)) return;
    if (old.nodeType !== 1) { old.data = now.data; return; }
    for (const { name } of [...old.attributes]) {
      if (!now.hasAttribute(name) && !["open", "data-typed"].includes(name)) old.removeAttribute(name);
    }
    for (const { name, value } of now.attributes) {
      if (name === "open" || old.getAttribute(name) === value) continue;
      if (name === "class" && old.classList.contains("changed")) continue;
      if (old.name === "seen") {
        old.closest("article")?.classList.add("changed");
        said.textContent = "What is decided here has changed. Look again before you decide.";
      }
      old.setAttribute(name, value);
    }
    if (!["TEXTAREA", "SELECT"].includes(old.nodeName)) children(old, now);
  }

  // Children with an id are matched by it, the others one after the other by what they are.
  function children(old, now) {
    const solid = (node) => node.nodeType === 1 || node.data.trim();
    const named = new Map([...old.children].filter((node) => node.id).map((node) => [node.id, node]));
    const wanted = new Set([...now.children].map((node) => node.id).filter(Boolean));
    const left = [...old.childNodes].filter(solid);
    for (const next of [...now.childNodes].filter(solid)) {
      const fits = (node) => (next.id ? node.id === next.id : !node.id && node.nodeName === next.nodeName);
      while (left.length && !fits(left[0]) && !wanted.has(left[0].id) && !mine(left[0])) left.shift().remove();
      const found = next.id ? named.get(next.id) : left.find((node) => wanted.has(node.id) || fits(node));
      if (!found || !fits(found)) {
        if (next.id) next.classList.add("fresh");
        old.insertBefore(next, left[0] ?? null);
        continue;
      }
      if (found !== left[0]) old.insertBefore(found, left[0] ?? null);
      if (left.includes(found)) left.splice(left.indexOf(found), 1);
      patch(found, next);
    }
    for (const node of left) if (!mine(node)) node.remove();
  }

  async function refresh() {
    if (busy || document.hidden) { wanted = true; return; }
    busy = true; wanted = false;
    try {
      const answer = await fetch(location.href, { headers: { "x-refresh": "1" }, cache: "no-store" });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focus = document.activeElement;
      for (const part of document.querySelectorAll("[data-live]")) {
        const now = page.getElementById(part.id);
        if (now) patch(part, document.adoptNode(now));
      }
      if (focus !== document.activeElement && focus?.isConnected) focus.focus({ preventScroll: true });
    } catch { state(false); }
    setTimeout(() => { busy = false; if (wanted) refresh(); }, 1200);
  }

  function state(on) { live.classList.toggle("on", on); live.textContent = on ? "live" : "not live: reload to see changes"; }

  function open() {
    if (source || document.hidden) return;
    source = new EventSource(root + "/stream");
    source.onopen = () => { state(true); refresh(); };
    source.onerror = () => state(false);
    source.addEventListener("beat", refresh);
    source.addEventListener("clock", (event) => { document.getElementById("clock").textContent = JSON.parse(event.data); });
    source.addEventListener("change", (event) => {
      const { runs, more } = JSON.parse(event.data);
      if (!run || more || runs.includes(Number(run))) refresh();
    });
  }

  document.addEventListener("input", (event) => event.target.closest("main") && event.target.setAttribute("data-typed", ""));
  document.addEventListener("visibilitychange", () => { if (document.hidden) { source?.close(); source = null; } else open(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.matches("input, textarea, select")) { event.preventDefault(); document.getElementById("q").focus(); }
  });
  open();
})();
