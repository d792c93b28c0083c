/** Databases: endpoints and accounts, the replicas that are read, the primary that is written, the schema. */

export { type Connection, execute, type Row, type Value } from './connection.ts'
export { derivedSecret, describeEndpoint, type Endpoint, endpointAs, isAccount, parseEndpoint } from './endpoint.ts'
export { type Followers, openFollowers } from './followers.ts'
export { assertCurrent, migrate } from './migrate.ts'
export { openPrimary, type Primary, rollback, type Statements } from './primary.ts'
export { openReplicas, type ReplicaStanding, type Replicas } from './replicas.ts'
export { readStatement, withValues } from './statements.ts'
