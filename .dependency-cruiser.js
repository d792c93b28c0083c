/** The rooms of service/, from the top of the house to its foundation: imports look down, and through a room's door. */
const rooms = [
  'admin',
  'catalogue',
  'files',
  'cache',
  'feed',
  'update',
  'embedded',
  'database',
  'http',
  'observe',
  'addon',
]

const rule = (name, from, to) => ({ name, severity: 'error', from: { path: from }, to })

export default {
  forbidden: [
    ...rooms
      .slice(1)
      .map((room, index) =>
        rule(`${room}-looks-down`, `^service/${room}/`, { path: `^service/(${rooms.slice(0, index + 1).join('|')})/` }),
      ),
    rule('use-the-door', '^service/([^/]+)/', { path: '^service/[^/]+/', pathNot: '^service/$1/|/index\\.ts$' }),
    rule('programs-use-the-door', '^(service/[^/]+\\.ts$|loadtest/)', {
      path: '^service/[^/]+/',
      pathNot: '/index\\.ts$',
    }),
    rule('handed-not-fetched', '^service/[^/]+/', {
      path: '^service/(main|catalog|migrate|worker|config|databases)\\.ts$',
    }),
    {
      ...rule('update-is-pure', '^service/update/', {
        pathNot: '^service/(update|addon)/|^service/(limits|errors)\\.ts$|^(node:)?crypto$',
        dependencyTypesNot: ['type-only'],
      }),
    },
    rule('the-sample-stands-alone', '^service/(?!sample/)', { path: '^service/sample/' }),
    rule('loadtest-knows-no-rooms', '^loadtest/(?!bench/|measure/|ladder/rungs/)', {
      path: '^service/',
      pathNot: '^service/addon/index\\.ts$',
    }),
    rule('tests-are-not-imported', '^(service|loadtest)/', { path: '^test/' }),
    rule('no-cycles', '', { circular: true }),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
