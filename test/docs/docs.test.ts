/** The documentation says what the program does: codes, variables, commands, formats; and its links lead somewhere. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import type { Command } from 'commander'
import t from 'tap'
import { createProgram, exitCodeOf, exitCodes } from '../../service/admin/program.ts'
import { leftOutFields, parseLine } from '../../service/catalogue/format.ts'
import { variables } from '../../service/config.ts'
import { endpointAs } from '../../service/database/index.ts'
import { type ErrorCode, errorCodes } from '../../service/errors.ts'
import { blocksOf } from '../harness/examples.ts'
import { runLoadtest } from '../harness/loadtest.ts'
import { root } from '../harness/server.ts'

const documents = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Texts below headings of the second rank, by heading. */
function sectionsOf(path: string): Map<string, string> {
  const [, ...parts] = `\n${read(path)}`.split(/\n## /)
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n'))]))
}

/** The anchors that GitHub makes of a document's headings. */
function anchorsOf(path: string): Set<string> {
  const headings = read(path)
    .replaceAll(/^```[\s\S]*?^```$/gm, '')
    .matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

t.test('errors.md explains every code, in the words of the code', async (t) => {
  const sections = sectionsOf('docs/errors.md')
  t.strictSame([...sections.keys()], Object.keys(errorCodes).sort())
  for (const [code, meaning] of Object.entries(errorCodes)) {
    const text = sections.get(code)?.replaceAll('`', '').trim() ?? ''
    t.ok(text.toLowerCase().startsWith(meaning.toLowerCase()), `${code}: ${meaning}`)
    const exitCode = /Exit code (\d)/.exec(text)?.[1]
    if (exitCode === undefined) t.match(text, /The server doesn't start/, `${code}: what comes of it`)
    else t.equal(Number(exitCode), exitCodeOf[code as ErrorCode] ?? exitCodes.found, `${code}: its exit code`)
  }
})

t.test('the README lists the variables of config.ts', async (t) => {
  const table = sectionsOf('README.md').get('Environment') ?? ''
  const rows = [...table.matchAll(/^\| `(\w+)` *\|(.*)\|(.*)\|$/gm)].map((row) =>
    row.slice(1).map((cell) => cell.trim()),
  )
  t.strictSame(
    rows,
    variables.map((variable) => [...variable]),
  )
})

t.test('cli.md has every command and every option', async (t) => {
  const sections = sectionsOf('docs/cli.md')
  const program = createProgram(() => {
    throw new Error('no command runs here')
  })
  const common = new Set(program.options.map(({ long }) => long))
  for (const option of program.options)
    t.ok(sections.get('Every command')?.includes(`\`${option.flags}\``), option.flags)
  const visit = (command: Command, path: string) => {
    if (command.commands.length > 0) {
      for (const child of command.commands) visit(child, `${path} ${child.name()}`)
      return
    }
    const section = sections.get(path) ?? ''
    const usage = [
      path,
      ...command.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`)),
    ]
    t.ok(section.includes(`\`${usage.join(' ')}\``), usage.join(' '))
    for (const { long, flags } of command.options.filter((option) => !common.has(option.long))) {
      t.ok(section.includes(`\`${flags}\``), `${path} ${long}`)
    }
    const documented = [...section.matchAll(/^\| `(--[\w-]+)/gm)].map(([, long]) => long)
    for (const long of documented)
      t.ok(
        command.options.some((option) => option.long === long),
        `${path} has ${long}`,
      )
  }
  visit(program, 'catalog')
  t.strictSame(
    [...sections.keys()].filter((heading) => heading.startsWith('catalog ')).length,
    countCommands(program),
    'and no others',
  )
})

function countCommands(command: Command): number {
  return command.commands.length === 0 ? 1 : command.commands.reduce((sum, child) => sum + countCommands(child), 0)
}

t.test('cli.md has the exit codes', async (t) => {
  const listed = [...(sectionsOf('docs/cli.md').get('Every command') ?? '').matchAll(/^\| (\d) *\|/gm)].map(
    ([, code]) => code,
  )
  t.strictSame(listed.map(Number), [0, ...Object.values(exitCodes)])
})

t.test('cli.md and loadtest.md have every command of the load tests', async (t) => {
  const { stdout } = await runLoadtest('--help')
  const list = stdout.split('\nCommands:\n')[1]?.split('\n\n')[0] ?? ''
  const commands = [...list.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name).filter((name) => name !== 'help')
  t.ok(commands.length > 4, commands.join(', '))
  const others = sectionsOf('docs/cli.md').get('The other programs') ?? ''
  const listed = [...others.matchAll(/^\| `npm run -s loadtest -- (\w+)`/gm)].map(([, name]) => name)
  t.strictSame(listed.toSorted(), commands.toSorted())
  t.match(others, '`npm run -s bench -- NAME`')
  const [beginning = ''] = read('docs/loadtest.md').split('\n## ')
  t.strictSame([...beginning.matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name).toSorted(), commands.toSorted())
})

t.test('operations.md derives passwords as the program does', async (t) => {
  const owner = { host: 'db1', port: 3306, user: 'versioncheck', password: 'PASSWORD', database: 'NAME' }
  t.ok(read('docs/operations.md').includes(`mysql://NAME_reader:${endpointAs(owner, 'reader').password}@db1/NAME`))
})

t.test('the example of import-format.md is a good line', async (t) => {
  const [example] = blocksOf('docs/import-format.md').filter(({ language }) => language === 'json')
  const parsed = parseLine(JSON.parse(example?.text ?? ''))
  t.match(parsed, { kind: 'addon', leftOut: [] })
  for (const field of leftOutFields) t.ok(read('docs/import-format.md').includes(`\`${field}\``), field)
})

t.test('blocks of JSON are JSON', async (t) => {
  for (const path of documents) {
    for (const { line, text } of blocksOf(path).filter(({ language }) => language === 'json')) {
      t.doesNotThrow(() => JSON.parse(text), `${path}:${line}`)
    }
  }
})

t.test('links lead somewhere', async (t) => {
  for (const path of documents) {
    const text = read(path).replaceAll(/^```[\s\S]*?^```$/gm, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const found = file === '' ? path : normalize(join(dirname(path), file))
      t.ok(existsSync(join(root, found)), `${path}: ${target}`)
      if (anchor !== undefined) t.ok(anchorsOf(found).has(anchor), `${path}: ${target}`)
    }
  }
})

t.test('architecture.md has every room, and nothing else', async (t) => {
  const rooms = readdirSync(join(root, 'service'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
  const table = sectionsOf('docs/architecture.md').get('The rooms') ?? ''
  t.strictSame([...table.matchAll(/^\| `(\w+)` *\|/gm)].map(([, name]) => name).sort(), rooms.sort())
  const picture = read('docs/rooms.svg')
  for (const room of rooms.filter((name) => name !== 'sample'))
    t.ok(picture.includes(`>${room}<`), `rooms.svg has ${room}`)
})

t.test('the decisions are listed, and say what a decision says', async (t) => {
  const names = readdirSync(join(root, 'docs', 'decisions')).filter((name) => /^\d{4}-/.test(name))
  const list = read('docs/decisions/README.md')
  for (const [index, name] of names.sort().entries()) {
    const text = read(`docs/decisions/${name}`)
    const title = /^# (\d+)\. (.+)$/m.exec(text)
    t.equal(Number(title?.[1]), index + 1, `${name}: its number`)
    t.ok(list.includes(`${index + 1}. [${title?.[2]}](${name})`), `${name} is in the list`)
    for (const part of ['Question', 'Choice', 'Price', 'Look again'])
      t.ok(text.includes(`**${part}`), `${name}: ${part}`)
  }
})

t.test('decision 2 has the digests that are checked', async (t) => {
  const pinned = [...read('service/http/uws.ts').matchAll(/'([0-9a-f]{64})'/g)].map(([, digest]) => digest)
  const told = [...read('docs/decisions/0002-uwebsockets-binaries.md').matchAll(/`([0-9a-f]{64})`/g)].map(
    ([, digest]) => digest,
  )
  t.strictSame(told, pinned)
  t.equal(pinned.length, 10)
})

t.test('what the code refers to is there', async (t) => {
  const sources = ['service', 'deploy', 'sql', 'loadtest'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(?:ts|mjs|sql)$/.test(name))
      .map((name) => join(folder, name)),
  )
  for (const path of sources) {
    for (const [reference] of read(path).matchAll(/docs\/[\w./-]+\.md/g)) {
      t.ok(existsSync(join(root, reference)), `${path}: ${reference}`)
    }
  }
})
