// Finding in window.bookIndex: titles and what people type first, then headings and
// names, then words of the text; exercises last. Every word asked for counts.
(() => {
  "use strict";
  const COMMON = new Set(("a an and are as at be by can do does for from how i if in "
    + "is it its me my of on or so that the this to use was we what when where which "
    + "who why will with you your").split(" "));
  const split = text => text.toLowerCase().normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "").split(/[^\p{L}\p{N}_]+/u).filter(Boolean);
  const stem = word => word.length <= 4 ? word
    : word.replace(/(ies)$/, "y").replace(/(?<=..)(ing|ed|es|s)$/, "");
  // words without the common ones, unless nothing else is there
  const meaning = phrase => {
    const all = split(phrase), kept = all.filter(word => !COMMON.has(word));
    return (kept.length ? kept : all).map(stem);
  };
  const prepared = window.bookIndex.map(entry => ({
    entry, title: split(entry.title).map(stem), page: split(entry.page).map(stem),
    aliases: (entry.aliases || "").split(" | ").map(phrase => meaning(phrase)),
    text: split(entry.text).map(stem)}));

  const likeness = (word, asked) => word === asked ? 1
    : word.startsWith(asked) ? 0.4 + 0.4 * asked.length / word.length : 0;
  const near = (words, asked) =>
    words.reduce((best, word) => Math.max(best, likeness(word, asked)), 0);
  // how much of a short phrase was asked for, and how much of what was asked it holds
  const cover = (phrase, asked) => {
    const hits = asked.map(word => near(phrase, word));
    const most = asked.length * Math.max(phrase.length, 1);
    return hits.reduce((a, b) => a + b, 0) ** 2 / most;
  };
  const WEIGHT = {page: 1, section: 0.6, name: 0.7, exercise: 0.2};

  const score = (one, asked) => {
    let total = 0, found = 0;
    for (const word of asked) {
      const title = near(one.title, word), page = near(one.page, word);
      const text = near(one.text, word);
      const typed = Math.max(0, ...one.aliases.map(phrase => near(phrase, word)));
      const times = one.text.filter(other => other.startsWith(word)).length;
      const often = text ? Math.log1p(times) : 0;
      found += Math.max(title, page, typed, text) > 0;
      total += 6 * title + 3 * typed + 1.5 * page + text * Math.min(often, 2.5);
    }
    const alias = Math.max(0, ...one.aliases.map(words => cover(words, asked)));
    const phrase = Math.max(cover(one.title, asked), 1.2 * alias);
    const share = (found / asked.length) ** 3;
    return (total / asked.length + 14 * phrase) * share * WEIGHT[one.entry.kind];
  };

  window.bookFind = (query, limit = 12) => {
    const asked = meaning(query);
    if (!asked.length) return [];
    return prepared.map(one => [score(one, asked), one.entry])
      .filter(([points]) => points > 0.4)
      .sort((a, b) => b[0] - a[0]).slice(0, limit).map(([, entry]) => entry);
  };

  const SAFE = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"};
  const escaped = text => text.replace(/[&<>"']/g, c => SAFE[c]);
  window.bookSnippet = (entry, query) => {
    const asked = meaning(query), text = entry.text, low = text.toLowerCase();
    const places = asked.map(word => low.indexOf(word)).filter(i => i >= 0);
    const at = Math.min(...places, Infinity);
    const start = at === Infinity || at < 60 ? 0 : text.indexOf(" ", at - 50) + 1;
    let out = escaped(text.slice(start, start + 160).replace(/\s\S*$/, ""));
    for (const word of asked.filter(word => word.length > 1)) {
      const literal = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      const whole = new RegExp(`(?<![\\p{L}&])(${literal}\\p{L}*)`, "giu");
      out = out.replace(whole, "<mark>$1</mark>");
    }
    return (start ? "… " : "") + out;
  };
})();
