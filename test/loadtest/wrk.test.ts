/** What wrk prints, read. */

import t from 'tap'
import { milliseconds } from '../../loadtest/measure/wrk.ts'

t.test('times in all units that wrk has', async (t) => {
  const times = { '950.00us': 0.95, '1.20ms': 1.2, '1.20s': 1_200, '1.20m': 72_000, '1.20h': 4_320_000 }
  for (const [text, ms] of Object.entries(times)) t.ok(Math.abs(milliseconds(text) / ms - 1) < 1e-9, text)
  for (const text of [undefined, '', '1.20', '1.20d']) t.ok(Number.isNaN(milliseconds(text)), text ?? 'nothing')
})
