"use strict";

// Airflow's UI stores its theme here, and this page has the same origin. Without a theme the system's theme applies.
const showTheme = () => {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
};
showTheme();
addEventListener("storage", showTheme);

addEventListener("DOMContentLoaded", () => {
  const grid = document.querySelector("[role=grid]");
  const details = document.getElementById("details");
  const links = [...grid.querySelectorAll("tbody a")];
  let opener = null;

  // One stop for Tab; arrow keys move within the grid.
  const makeCurrent = (link) => {
    for (const other of links) other.tabIndex = other === link ? 0 : -1;
  };
  makeCurrent(links[0]);
  grid.addEventListener("focusin", (event) => links.includes(event.target) && makeCurrent(event.target));
  grid.addEventListener("keydown", (event) => {
    const from = event.target.closest("tbody a");
    if (!from || event.ctrlKey || event.altKey || event.metaKey) return;
    const shown = (row) => [...row.querySelectorAll("a")].filter((link) => link.offsetParent);
    const row = shown(from.closest("tr"));
    const rows = [...grid.querySelectorAll("tbody tr")];
    const beside = (step) => row[row.indexOf(from) + step];
    const above = (step) => {
      const next = rows[rows.indexOf(from.closest("tr")) + step];
      const middle = (link) => link.getBoundingClientRect().left;
      const near = (a, b) => Math.abs(middle(a) - middle(from)) - Math.abs(middle(b) - middle(from));
      return next && shown(next).sort(near)[0];
    };
    const moves = {
      ArrowRight: () => beside(1), ArrowLeft: () => beside(-1), ArrowDown: () => above(1), ArrowUp: () => above(-1),
      Home: () => row[0], End: () => row.at(-1),
    };
    const to = moves[event.key]?.();
    if (moves[event.key]) event.preventDefault();
    to?.focus();
  });

  // A part shows the answer to its last request: an older answer that arrives later is dropped.
  const asked = new WeakMap();
  const fill = async (target, address) => {
    asked.get(target)?.abort();
    const request = new AbortController();
    asked.set(target, request);
    target.setAttribute("aria-busy", "true");
    let text;
    try {
      const answer = await fetch(address, { credentials: "same-origin", signal: request.signal });
      text = answer.ok || answer.status === 503 ? await answer.text() : `<p>The server answered ${answer.status}.</p>`;
    } catch {
      text = "<p>Airflow did not answer. Try again.</p>";
    }
    if (request.signal.aborted) return;
    target.innerHTML = text;
    target.removeAttribute("aria-busy");
    for (const part of target.querySelectorAll("[data-load]")) fill(part, part.dataset.load);
  };

  const select = (link) => {
    grid.querySelector("a[aria-current]")?.removeAttribute("aria-current");
    link?.setAttribute("aria-current", "true");
    opener = link;
  };
  const open = async (link) => {
    const chosen = new URL(link.href).searchParams;
    select(link);
    details.hidden = false;
    await fill(details, `cell/${chosen.get("cell").replace(".", "/")}/${chosen.get("date")}`);
    if (opener === link) details.querySelector("h2")?.focus();
  };
  const close = () => {
    asked.get(details)?.abort();
    details.hidden = true;
    details.replaceChildren();
    const last = opener;
    select(null);
    last?.focus();
  };

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("a, button");
    if (links.includes(link)) {
      event.preventDefault();
      history.pushState(null, "", link.href);
      open(link);
    } else if (link?.classList.contains("close")) {
      event.preventDefault();
      const address = new URL(location);
      address.searchParams.delete("cell");
      history.pushState(null, "", address);
      close();
    } else if (link?.dataset.loadOnClick) {
      fill(document.getElementById(link.dataset.into), link.dataset.loadOnClick);
    } else if (link && ("top" in link.dataset || "new" in link.dataset) && parent !== self) {
      // Airflow shows this page in a frame that may neither navigate away nor open a window, but may use its parent.
      event.preventDefault();
      const outside = parent.document.createElement("a");
      outside.href = link.href;
      if ("new" in link.dataset) Object.assign(outside, { target: "_blank", rel: "noopener noreferrer" });
      outside.click();
    }
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && !details.hidden && close());
  addEventListener("popstate", () => location.reload());

  for (const part of document.querySelectorAll("[data-load]")) fill(part, part.dataset.load);
  if (!details.hidden) {
    const shown = new URL(location).searchParams;
    select(links.find((link) => new URL(link.href).search === `?${shown}`) ?? null);
  }
});
