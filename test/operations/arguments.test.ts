// An argument that a function, a method of Tensor or a class does not have is refused: it would be ignored.
import { readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import * as dawngrad from '../../src/index.ts'

const root = new URL('../../', import.meta.url)
const parse = (path: string) =>
  ts.createSourceFile(path, readFileSync(new URL(path, root), 'utf8'), ts.ScriptTarget.Latest, true)
const filesIn = (folder: string) =>
  readdirSync(new URL(folder, root)).flatMap((file) => (file.endsWith('.ts') ? [`${folder}${file}`] : []))
const index = readFileSync(new URL('src/index.ts', root), 'utf8')
const namesOf = (parameters: ts.NodeArray<ts.ParameterDeclaration>) => parameters.map(({ name }) => name.getText())

type Callable = (...given: unknown[]) => unknown
type Case = readonly [signature: string, call: Callable]

/** What the package exports under a name, unless it is something else of the same name. */
const exported = new Map(Object.entries(dawngrad as unknown as Record<string, Callable>))

/** Not refused: what says something, and what custom operations are made of. */
const without = ['isAnomalyEnabled', 'apply']
/** The functions of these folders that the package exports: operations, and those that train and look on. */
const functions = ['kernels', 'tensor', 'capture', 'train', 'debug']
  .flatMap((folder) => filesIn(`src/${folder}/`))
  .filter((path) => index.includes(path.replace('src/', './')))
  .flatMap((path) => {
    return parse(path).statements.flatMap((s): Case[] => {
      if (ts.isFunctionDeclaration(s) && s.name && !without.includes(s.name.text)) {
        const name = s.name.text === 'variance' ? 'var' : s.name.text
        const fn = s.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
          ? exported.get(name)
          : undefined
        return fn?.name === s.name.text ? [[`${name}(${namesOf(s.parameters).join(', ')})`, fn]] : []
      }
      if (!ts.isVariableStatement(s)) return []
      return s.declarationList.declarations.flatMap(({ name, initializer }): Case[] => {
        const maker = initializer && ts.isCallExpression(initializer) ? initializer.expression.getText() : ''
        const fn = exported.get(name.getText())
        if (!fn || !['unary', 'binary', 'comparison'].includes(maker)) return []
        return [[`${name.getText()}(${maker === 'unary' ? 'x' : 'a, b'})`, fn]]
      })
    })
  })

const internal = ['attach', 'like', 'checkUsable', 'release']
const methods = parse('src/tensor/tensor.ts').statements.flatMap((s): Case[] => {
  if (!ts.isClassDeclaration(s) || s.name?.text !== 'Tensor') return []
  return s.members.flatMap((member): Case[] => {
    if (!ts.isMethodDeclaration(member) || !ts.isIdentifier(member.name) || internal.includes(member.name.text))
      return []
    const { text } = member.name
    const method = dawngrad.Tensor.prototype[text as 'reshape'] as Callable
    return [[`${text}(${namesOf(member.parameters).join(', ')})`, (...given) => method.apply(undefined, given)]]
  })
})

/** Those that take any number of modules, or whatever there is, or are not made by users. */
const open = ['Sequential', 'Identity', 'Module', 'Optimizer']
const sources = new Map(
  ['src/nn/', 'src/optim/']
    .flatMap(filesIn)
    .flatMap((path) =>
      parse(path).statements.flatMap((s) => (ts.isClassDeclaration(s) && s.name ? [[s.name.text, s] as const] : [])),
    ),
)
const classes = Object.entries({ nn: dawngrad.nn, optim: dawngrad.optim }).flatMap(([space, all]) =>
  Object.entries(all as unknown as Record<string, Callable>).flatMap(([name, made]): Case[] => {
    const found = sources.get(name)
    if (!found || open.includes(name)) return []
    const own = found.members.find(ts.isConstructorDeclaration)
    const make = (...given: unknown[]) => Reflect.construct(made, given)
    return [[`${space}.${name}(${own ? namesOf(own.parameters).join(', ') : ''})`, make]]
  }),
)

describe('an argument too many is refused before anything else, by name:', () => {
  it('there are functions, methods and classes', () => {
    expect([functions.length > 110, methods.length, classes.length > 45]).toEqual([true, 10, true])
  })

  it.each([...functions, ...methods, ...classes])('%s', async (signature, call) => {
    const [name, names] = signature.split(/[()]/) as [string, string]
    const most = names === '' ? 0 : names.split(', ').length
    const given = [...new Array<undefined>(most), 0.5, 0.25]
    const answer = async () => await call(...given)
    await expect(answer()).rejects.toThrow(new TypeError(`${name}: 0.5 is an argument too many; it is ${signature}`))
  })
})

const more = (...given: readonly number[]) => given as unknown as []

describe('what is refused is what PyTorch would take:', () => {
  it.each<[string, (x: dawngrad.Tensor) => unknown, string]>([
    ['alpha', (x) => x.add(x, ...more(2)), 'add: 2 is an argument too many; it is add(a, b)'],
    ['other sizes', (x) => x.flip(0, ...more(1)), 'flip: 1 is an argument too many; it is flip(x, dims)'],
    ['endDim', (x) => x.flatten(0, ...more(1)), 'flatten: 1 is an argument too many; it is flatten(startDim)'],
    [
      'a norm in place',
      () => dawngrad.optim.clipGradNorm([], 1, {}, ...more(2)),
      'optim.clipGradNorm: 2 is an argument too many; it is optim.clipGradNorm(params, maxNorm, options)',
    ],
    [
      'a flag',
      () => dawngrad.optim.clipGradValue([], 1, ...more(0)),
      'optim.clipGradValue: 0 is an argument too many; it is optim.clipGradValue(params, value)',
    ],
    [
      'what map gives',
      (x) => [x].map(dawngrad.relu as (x: dawngrad.Tensor) => dawngrad.Tensor),
      'relu: 0 is an argument too many; it is relu(x)',
    ],
  ])('%s', (_, call, text) => {
    const x = Object.create(dawngrad.Tensor.prototype) as dawngrad.Tensor
    expect(() => call(x)).toThrow(new TypeError(text))
  })
})
