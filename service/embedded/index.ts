/** The private MariaDB of `npm start` and of the tests. */

export { findProgram, installDataFolder, type Mariadb, startMariadb } from './mariadb.ts'
export { type PrivateDatabase, startPrivateDatabase, usePrivateDatabase } from './private-database.ts'
