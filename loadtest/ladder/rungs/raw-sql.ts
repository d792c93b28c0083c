#!/usr/bin/env node
/** Rung 3, `raw-sql`: the framework with one join, written by hand. The talk's v3. */

import { createPool } from 'mysql2/promise'
import { databasePlace, POOL_SIZE } from './shared/environment.ts'
import { serveWithFramework } from './shared/framework.ts'
import { answerOf, JOIN, valuesOf } from './shared/join.ts'

const pool = createPool({ ...databasePlace(), connectionLimit: POOL_SIZE })

await serveWithFramework(async (asked) => {
  const [rows] = await pool.execute(JOIN, valuesOf(asked))
  return answerOf(asked, rows as unknown[])
})
