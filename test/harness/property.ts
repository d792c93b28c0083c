/** Properties (fast-check) as assertions of a test. */

import fc, {
  type IAsyncProperty,
  type IAsyncPropertyWithHooks,
  type IProperty,
  type IPropertyWithHooks,
} from 'fast-check'
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

/** The same of what takes its time. */
export async function holdsAlways<Ts>(
  t: Test,
  title: string,
  property: IAsyncProperty<Ts> | IAsyncPropertyWithHooks<Ts>,
  numRuns: number,
): Promise<void> {
  try {
    await fc.assert(property, { numRuns })
    t.pass(`${title} (${numRuns} runs)`)
  } catch (error) {
    t.fail(`${title}: ${(error as Error).message}`)
  }
}
