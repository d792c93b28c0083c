/**
 * The examples of the documentation, run as they stand. In a block marked `console` a line that begins with `$ ` is a command
 * (a `\` at its end continues it), and what follows is what it prints; `…` stands for any text. A block whose mark ends in
 * `file=NAME` is a file that the commands find. Blocks marked otherwise, `sh` above all, are not run.
 */

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { root, runToEnd } from './server.ts'
import { makeFolder } from './stack.ts'

export interface Block {
  /** `console`, `json`, … */
  readonly language: string
  /** Of `file=NAME`. */
  readonly file: string | undefined
  /** Of its first line. */
  readonly line: number
  readonly text: string
}

export interface Example {
  /** Of the command, in the document. */
  readonly line: number
  readonly command: string
  readonly output: string
}

/** The fenced blocks of a document; its path is relative to the project. */
export function blocksOf(path: string): Block[] {
  const blocks: Block[] = []
  let open: { mark: string; line: number; lines: string[] } | undefined
  for (const [index, line] of readFileSync(join(root, path), 'utf8').split('\n').entries()) {
    const mark = /^```(.*)$/.exec(line)?.[1]
    if (mark === undefined) open?.lines.push(line)
    else if (open === undefined) open = { mark, line: index + 2, lines: [] }
    else {
      const [language = '', ...marks] = open.mark.split(' ')
      const file = marks.find((word) => word.startsWith('file='))?.slice('file='.length)
      blocks.push({ language, file, line: open.line, text: `${open.lines.join('\n')}\n` })
      open = undefined
    }
  }
  if (open !== undefined) throw new Error(`${path}:${open.line}: the block has no end`)
  return blocks
}

/** The commands of a block, each with what it prints. */
export function examplesOf({ line: start, text }: Block): Example[] {
  const examples: { line: number; command: string; output: string }[] = []
  let continued = false
  for (const [index, line] of text.split('\n').entries()) {
    const last = examples.at(-1)
    if (continued && last !== undefined) last.command += `\n${line}`
    else if (line.startsWith('$ ')) examples.push({ line: start + index, command: line.slice(2), output: '' })
    else if (last !== undefined) last.output += `${line}\n`
    continued = line.endsWith('\\') && (continued || line.startsWith('$ '))
  }
  return examples.map(({ output, ...example }) => ({ ...example, output: output.trimEnd() }))
}

export interface Setting {
  readonly environment: Readonly<Record<string, string>>
  /** What is written in the document, and what stands for it here: addresses, above all. Replaced back in what is printed. */
  readonly actual: Readonly<Record<string, string>>
  /** Done to a command beside that. */
  readonly adapt?: (command: string) => string
  /** Puts into the folder what the reader has, before the first command. */
  readonly prepare?: (folder: string) => Promise<void>
}

/** Runs all examples of a document in order, in one folder that looks like the project's, and holds them against what is written. */
export async function runExamples(
  t: Test,
  path: string,
  { environment, actual, adapt, prepare }: Setting,
): Promise<void> {
  const folder = await makeProject(t)
  await prepare?.(folder)
  const here = (text: string) =>
    Object.entries(actual).reduce((result, [written, real]) => result.replaceAll(written, real), text)
  const asWritten = (text: string) =>
    Object.entries(actual).reduce((result, [written, real]) => result.replaceAll(real, written), text)
  for (const block of blocksOf(path)) {
    if (block.file !== undefined) await writeFile(join(folder, block.file), here(block.text))
    if (block.language !== 'console') continue
    for (const { line, command, output } of examplesOf(block)) {
      const { stdout } = await run(adapt?.(here(command)) ?? here(command), folder, environment)
      const printed = asWritten(stdout)
        .replaceAll(/[ \r]+$/gm, '')
        .trimEnd()
      t.ok(patternOf(output).test(printed), `${path}:${line}: ${command}`, { diff: difference(output, printed) })
    }
  }
}

/** What a checkout has, without anything being written into ours; `catalog` is on the PATH. */
async function makeProject(t: Test): Promise<string> {
  const folder = await makeFolder(t)
  for (const name of ['package.json', 'package-lock.json', 'node_modules', 'deploy', 'dist']) {
    await symlink(join(root, name), join(folder, name))
  }
  const program = join(folder, 'catalog')
  await writeFile(
    program,
    `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'dist', 'service', 'catalog.js')}' "$@"\n`,
  )
  await chmod(program, 0o755)
  // What curl prints beside the answer depends on whether a person is looking.
  await writeFile(join(folder, '.curlrc'), 'silent\nshow-error\n')
  return folder
}

function run(command: string, folder: string, environment: Readonly<Record<string, string>>) {
  const env = { ...environment, HOME: folder, PATH: `${folder}:${process.env.PATH}` }
  return runToEnd(spawn('bash', ['-c', `exec 2>&1\n${command}`], { cwd: folder, env }))
}

function patternOf(output: string): RegExp {
  const parts = output.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[\\s\\S]*?')}$`)
}

function difference(written: string, printed: string): string {
  return `written:\n${written}\nprinted:\n${printed}`
}
