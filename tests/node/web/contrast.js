// Returns every visible text whose contrast with its ground is below 4.5 (WCAG 2.2, 1.4.3).
() => {
  const parse = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const channel = (c) => { const v = c / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || !parent.checkVisibility() || parent.closest("svg, option, dialog")) continue;
    const box = parent.getBoundingClientRect();
    if (box.width < 2 || box.height < 2 || box.left < 0) continue;
    const [a, b] = [light(parse(getComputedStyle(parent).color)), light(ground(parent))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${parent.className} ${node.textContent.trim().slice(0, 30)}`);
  }
  return weak;
}
