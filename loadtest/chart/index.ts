/** Charts as SVG, drawn by vega-lite without a browser. */

import type { TopLevelSpec } from 'vega-lite'

const FONT = 'system-ui, sans-serif'

/** Draws a specification of vega-lite (https://vega.github.io/vega-lite/docs/) in the style of all charts here. */
export async function drawChart(spec: TopLevelSpec): Promise<string> {
  const styled = {
    ...spec,
    background: 'white',
    padding: 12,
    config: {
      font: FONT,
      axis: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', gridColor: '#e6e6e6' },
      legend: { labelFontSize: 12, titleFontSize: 12 },
      title: { fontSize: 14, anchor: 'start' },
      view: { stroke: null },
      ...spec.config,
    },
  } as TopLevelSpec
  // Loading them takes as long as all the rest of a command that draws nothing.
  const [{ parse, View }, { compile }] = await Promise.all([import('vega'), import('vega-lite')])
  const view = new View(parse(compile(styled).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}
