// What every page of the book does besides what its renderer gives it.
(() => {
  "use strict";
  const script = document.currentScript;

  // A region that scrolls sideways is reached by Tab, and only then: formulas, code, tables.
  const regions = () => document.querySelectorAll(".katex-display, main pre, .table-scroll");
  const mark = () => regions().forEach(region => {
    if (region.scrollWidth > region.clientWidth + 1 || region.scrollHeight > region.clientHeight + 1) {
      region.tabIndex = 0;
      if (region.matches(".table-scroll")) region.setAttribute("role", "group");
      if (region.matches(".table-scroll")) region.setAttribute("aria-label", "table");
    } else region.removeAttribute("tabindex");
  });
  mark();
  window.addEventListener("load", mark);
  window.addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
  if (document.fonts) document.fonts.ready.then(mark);

  // Scripts of a page from disk may not fetch; the index comes as a script there.
  if (location.protocol === "file:") {
    const plain = window.fetch;
    window.fetch = (what, ...rest) => !String(what).endsWith("search.json") ? plain(what, ...rest) : new Promise((resolve, reject) => {
      const index = document.createElement("script");
      index.src = script.dataset.offset + "site_libs/book/search.js";
      index.onload = () => resolve(new Response(JSON.stringify(window.bookSearch)));
      index.onerror = reject;
      document.head.append(index);
    });
  }

  // On paper everything is unfolded.
  window.addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach(d => { d.open = true; d.dataset.folded = ""; }));
  window.addEventListener("afterprint", () => document.querySelectorAll("details[data-folded]").forEach(d => { d.open = false; delete d.dataset.folded; }));
})();
