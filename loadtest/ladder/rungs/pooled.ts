#!/usr/bin/env node
/** Rung 5, `pooled`: the same with connections that are kept, and a statement that is prepared once on each. The talk's v5. */

import { createPool } from 'mysql2'
import { databasePlace, POOL_SIZE } from './shared/environment.ts'
import { answerOf, JOIN, valuesOf } from './shared/join.ts'
import { serveWithLibrary } from './shared/library.ts'

const pool = createPool({ ...databasePlace(), connectionLimit: POOL_SIZE })

serveWithLibrary((asked, done) => {
  pool.execute(JOIN, valuesOf(asked), (error, rows) => {
    if (error === null) done(null, answerOf(asked, rows as unknown[]))
    else done(error)
  })
})
