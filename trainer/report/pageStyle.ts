/** The looks of reports. Contrast is at least 4.5 : 1 for texts, in light and in dark (WCAG 2.2, 1.4.3). */
export const STYLE = `
:root {
  color-scheme: light;
  --paper: #ffffff; --ink: #22262b; --faint: #5c6670; --line: #dde2e7; --card: #f5f7f9; --link: #00609a;
  --right: #0072b2; --wrong: #d55e00; --grid: #e8ebee; --axis: #b8c0c8;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --paper: #15181c; --ink: #e6e9ec; --faint: #a0aab4; --line: #343b43; --card: #1e2328; --link: #6fbdf2;
    --right: #1f6fa5; --wrong: #a84a00; --grid: #2a3037; --axis: #4a535c;
  }
  svg [stroke="#0072b2"] { stroke: #4aa8e0 } svg [fill="#0072b2"] { fill: #4aa8e0 }
  svg [stroke="#d55e00"] { stroke: #ff8a45 } svg [fill="#d55e00"] { fill: #ff8a45 }
  svg [stroke="#009e73"] { stroke: #37c79b } svg [fill="#009e73"] { fill: #37c79b }
  svg [stroke="#4d4d4d"] { stroke: #b4b4b4 } svg [fill="#4d4d4d"] { fill: #b4b4b4 }
}
svg text[fill="#22262b"] { fill: var(--ink) }
svg text[fill="#5c6670"] { fill: var(--faint) }
svg [stroke="#5c6670"] { stroke: var(--faint) }
svg [stroke="#e8ebee"] { stroke: var(--grid) }
svg [stroke="#b8c0c8"] { stroke: var(--axis) }
svg [stroke="#ffffff"] { stroke: var(--paper) }
svg text { font-family: inherit }
svg { display: block; width: 100%; height: auto }
* { box-sizing: border-box }
html { scroll-behavior: smooth }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: break-word }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem }
h2 { font-size: 1.25rem; margin: 0 0 .8rem }
h3 { font-size: 1rem; margin: 0 }
p { margin: 0 0 .8rem; max-width: 46rem }
.lead, figcaption p, caption, footer, .note { color: var(--faint) }
a { color: var(--link) }
a:focus-visible, .scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
section { border-top: 1px solid var(--line); padding: 1.4rem 0 1rem }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; padding: 0; margin: 1rem 0 1.4rem }
dl.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1.2rem 0 }
dl.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .55rem .8rem }
dl.figures dt { color: var(--faint); font-size: .85rem }
dl.figures dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1.2rem 2rem }
figure { margin: 0; break-inside: avoid }
figcaption p { font-size: .85rem; margin: .2rem 0 .3rem }
.scroll { overflow-x: auto; margin: 0 0 1.2rem }
table { border-collapse: collapse; font-size: .9rem }
caption { text-align: left; padding: 0 0 .4rem; font-size: .85rem }
th, td { padding: .28rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; max-width: 40rem }
th { font-weight: 600 }
td.number, th.number, td.bar { text-align: right; font-variant-numeric: tabular-nums }
thead th { vertical-align: bottom; color: var(--faint); font-weight: 500 }
td.bar { min-width: 6rem; background: linear-gradient(to right, color-mix(in srgb, var(--right) 26%, transparent) calc(var(--share) * 100%), transparent 0) }
table.confusion { border-collapse: separate; border-spacing: 1px }
table.confusion td { text-align: center; padding: .3rem .45rem; border: 0; min-width: 2.4rem; font-variant-numeric: tabular-nums;
  background: color-mix(in srgb, var(--wrong) calc(var(--share) * 65%), var(--card)) }
table.confusion td.right { background: color-mix(in srgb, var(--right) calc(var(--share) * 65%), var(--card)) }
table.confusion td.none { color: var(--faint) }
table.confusion td small { display: block; font-size: .75rem }
table.confusion th { border: 0; font-weight: 500; max-width: 14rem }
table.confusion tbody th { position: sticky; left: 0; background: var(--paper); text-align: right }
table.upright thead th:not(:first-child) { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 14rem; padding: .45rem .1rem; text-align: left }
table.dense { font-size: .7rem; line-height: 1.2 }
table.dense td { padding: .2rem 0; min-width: 1.25rem; height: 1.25rem }
table.dense th { padding: .1rem .3rem }
ol.wrong { padding: 0; margin: 0; list-style: none; display: grid; gap: .8rem }
ol.wrong li { border-left: 3px solid var(--wrong); padding: .1rem 0 .1rem .9rem; break-inside: avoid }
ol.wrong p { margin: 0 0 .2rem }
ol.wrong blockquote { margin: 0; color: var(--ink); max-width: 60rem }
footer { border-top: 1px solid var(--line); padding-top: 1rem; font-size: .85rem }
@media print {
  body { max-width: none; padding: 0; font-size: .8rem }
  nav { display: none }
  .scroll { overflow: visible }
  .charts { grid-template-columns: 1fr 1fr }
  table.dense { font-size: .5rem }
  table.dense td { min-width: 0; padding: .1rem }
  td.bar, table.confusion td, dl.figures div { -webkit-print-color-adjust: exact; print-color-adjust: exact }
  tr { break-inside: avoid }
  h2, h3, caption { break-after: avoid }
}
`;
