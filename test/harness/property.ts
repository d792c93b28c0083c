/** Properties (fast-check) as assertions of a test. */

import fc, { type IProperty, type IPropertyWithHooks } from 'fast-check'
import type { Test } from 'tap'

/** Fails with the smallest counterexample and its seed. */
export function holds<Ts>(
  t: Test,
  title: string,
  property: IProperty<Ts> | IPropertyWithHooks<Ts>,
  numRuns: number,
): void {
  try {
    fc.assert(property, { numRuns })
    t.pass(`${title} (${numRuns} runs)`)
  } catch (error) {
    t.fail(`${title}: ${(error as Error).message}`)
  }
}
