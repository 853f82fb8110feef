// What every page of the book does besides what its renderer gives it.
(() => {
  "use strict";
  const script = document.currentScript;

  // A region that scrolls sideways is reached by Tab, and only then: formulas, code,
  // tables.
  const SCROLLING = ".katex-display, main pre, .table-scroll, .picture";
  const regions = () => document.querySelectorAll(SCROLLING);
  // What goes on to the right fades there, until it has been read to the end.
  const goes_on = region => region.toggleAttribute("data-goes-on",
    region.scrollWidth - region.clientWidth - region.scrollLeft > 2);
  document.addEventListener("scroll", event => {
    if (event.target.matches?.(SCROLLING)) goes_on(event.target);
  }, {capture: true, passive: true});
  const mark = () => regions().forEach(region => {
    if (region.scrollWidth > region.clientWidth + 1
        || region.scrollHeight > region.clientHeight + 1) {
      region.tabIndex = 0;
      const name = region.matches(".table-scroll") ? "table"
        : region.matches(".picture") ? "picture" : null;
      if (name) {
        region.setAttribute("role", "group");
        region.setAttribute("aria-label", name);
      }
    } else region.removeAttribute("tabindex");
    goes_on(region);
  });
  mark();
  window.addEventListener("load", mark);
  window.addEventListener("resize", mark);
  document.addEventListener("toggle", mark, true);
  if (document.fonts) document.fonts.ready.then(mark);

  // The search: the index and the engine come when somebody asks, as a script, which a
  // page from disk may load too.
  let loading = null;
  const engine = () => loading ||= new Promise((resolve, reject) => {
    const part = document.createElement("script");
    part.src = script.dataset.offset + "site_libs/book/search.js";
    part.onload = resolve;
    part.onerror = reject;
    document.head.append(part);
  });
  for (const box of document.querySelectorAll(".book-search")) {
    const input = box.querySelector("input"), found = box.querySelector(".book-found");
    const close = () => { found.hidden = true; };
    const links = () => [...found.querySelectorAll("a")];
    const line = (name, text) => {
      const e = document.createElement("span");
      e.className = name;
      e.textContent = text;
      return e;
    };
    const show = async () => {
      const query = input.value.trim();
      if (query.length < 2) return close();
      await engine();
      if (query !== input.value.trim()) return;
      const entries = window.bookFind(query);
      found.replaceChildren(...entries.map(entry => {
        const link = document.createElement("a");
        const snippet = document.createElement("span");
        link.className = "search-result";
        link.href = script.dataset.offset + entry.href;
        snippet.className = "search-result-text";
        snippet.innerHTML = window.bookSnippet(entry, query);
        const section = entry.page === entry.title ? []
          : [line("search-result-section", entry.page)];
        link.append(line("search-result-title", entry.title), ...section, snippet);
        return link;
      }));
      if (!entries.length) found.append(line("search-none", "Nothing found"));
      found.hidden = false;
    };
    input.addEventListener("focus", engine);
    input.addEventListener("input", show);
    box.addEventListener("keydown", event => {
      const all = [input, ...links()], at = all.indexOf(document.activeElement);
      if (event.key === "Escape") { close(); input.focus(); }
      else if (event.key === "ArrowDown" && at < all.length - 1) all[at + 1].focus();
      else if (event.key === "ArrowUp" && at > 0) all[at - 1].focus();
      else if (event.key === "Enter" && at === 0 && all[1]) all[1].click();
      else return;
      event.preventDefault();
    });
    document.addEventListener("click", event => {
      if (!box.contains(event.target)) close();
    });
  }
  document.addEventListener("keydown", event => {
    const input = document.querySelector(".book-search input");
    const focus = document.activeElement;
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(focus.tagName)
      || focus.isContentEditable;
    const asked = event.key === "/" && !typing
      || (event.ctrlKey || event.metaKey) && event.key === "k";
    if (!input?.checkVisibility() || !asked) return;
    event.preventDefault();
    input.focus();
  });

  // Where a link leads into a fold, the fold opens.
  const unfold = () => {
    const target = location.hash
      && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    let around = target.closest("details");
    for (; around; around = around.parentElement.closest("details")) around.open = true;
    if (target.matches(".named")) {
      const next = target.closest("p, div")?.nextElementSibling
        || target.nextElementSibling;
      const fold = next?.matches("details") ? next
        : next?.querySelector(":scope > details.code-fold");
      if (fold) fold.open = true;
    }
  };
  // On paper nothing can be unfolded: what is folded opens, and folds again afterwards.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("main details:not([open]):not(.here)")];
    for (const fold of opened) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const fold of opened) fold.open = false;
    opened = [];
  });
  window.addEventListener("hashchange", unfold);
  unfold();
})();
