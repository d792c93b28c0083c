#!/usr/bin/env node
/** Rung 4, `bare`: no framework, one join, and a connection to the database for each request. The talk's v4. */

import { createConnection } from 'mysql2'
import { databasePlace } from './shared/environment.ts'
import { answerOf, JOIN, valuesOf } from './shared/join.ts'
import { serveWithLibrary } from './shared/library.ts'

const place = databasePlace()

serveWithLibrary((asked, done) => {
  const connection = createConnection(place)
  // Not prepared: it is asked once, and preparing it would be another round trip.
  connection.query(JOIN, valuesOf(asked), (error, rows) => {
    connection.end()
    if (error === null) done(null, answerOf(asked, rows as unknown[]))
    else done(error)
  })
})
