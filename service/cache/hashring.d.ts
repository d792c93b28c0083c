declare module 'hashring' {
  /** Consistent hashing, as libketama does it: which server keeps a key. */
  export default class HashRing {
    constructor(servers: string[])
    get(key: string): string
  }
}
