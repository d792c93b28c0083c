/** How many add-ons memory must hold for a wanted part of the checks to miss it. */

import type { Population } from '../traffic/index.ts'

const STEPS = 60

/**
 * Che's approximation for caches that keep what was asked for last: an add-on is held if it was asked for within the last T
 * checks, the same T for all. What isn't public is never held, but known to be unknown, and so never misses.
 */
export function entriesFor({ users, isPublic }: Population, misses: number): number {
  const sum = users.reduce((all, count) => all + Math.max(1, count), 0)
  const parts = users.filter((_, addon) => isPublic[addon]).map((count) => Math.max(1, count) / sum)
  let least = 0
  let most = 100 * sum
  for (let step = 0; step < STEPS; step++) {
    const checks = (least + most) / 2
    const missing = parts.reduce((all, part) => all + part * Math.exp(-part * checks), 0)
    if (missing > misses) least = checks
    else most = checks
  }
  const held = parts.reduce((all, part) => all + 1 - Math.exp(-part * most), 0)
  return Math.max(1, Math.round(held))
}
