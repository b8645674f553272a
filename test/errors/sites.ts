// Finds in src/ every place that makes the text of an error, by the compiler's own syntax tree.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** A text as the source has it: its fixed pieces, with null for what is put in when the error is made. */
type Pieces = readonly (string | null)[]

export interface Site {
  /** `src/data/idx.ts:35`, for messages of a test. */
  readonly at: string
  readonly file: string
  /** The error's class; null for a text that some error holds a part of. */
  readonly error: string | null
  /** Its text; null where the source does not show any. A place that chooses between two texts is two sites. */
  readonly text: Pieces | null
  /** The place in the source, on one line. */
  readonly code: string
}

/** Functions that throw the text which they are given, such as `fail(at, 'too many arguments')`. */
const TAKES_TEXT = ['fail', '#fail']
/**
 * Functions whose text becomes an error, alone or as a part of one. Besides these, every function is searched whose type
 * says that it returns a text or something else, such as `string | null`: why not, or null.
 */
const GIVES_TEXT = ['gzipProblem', 'nothingToBring']
/** Functions of that type which return something else than words. */
const NO_WORDS = ['backports']
/** Lists whose entries end up in an error, `problems.push(…)`, and properties that do, `{ why: … }`. */
const LISTS = ['problems', 'failures', 'findings', 'lacking']
const PROPERTIES = ['why', 'missing']
/** Files that catch their own errors and make their texts a part of another. */
const CATCH_THEIR_OWN = ['src/provision/drivers.ts']

const root = new URL('../../', import.meta.url)

/** Every site in src/, but for the embedded shaders. */
export function findSites(): Site[] {
  const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('wgsl.ts'))
    .map((path) => `src/${path}`)
    .sort()
    .map((file) => parse(file, readFileSync(fileURLToPath(new URL(file, root)), 'utf8')))
  const classes = errorClasses(sources)
  return sources.flatMap((source) => sitesIn(source, classes))
}

/** The sites of one source, given the names of its classes of errors. */
export function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
}

/**
 * Error and what extends it, however far, in these sources; and Node's and commander's own. With each, whether its
 * constructor makes the text itself.
 */
export function errorClasses(sources: readonly ts.SourceFile[]): Map<string, boolean> {
  const known = ['Error', 'TypeError', 'RangeError', 'SyntaxError', 'AggregateError', 'InvalidArgumentError']
  const classes = new Map(known.map((name) => [name, false]))
  for (let before = 0; before !== classes.size; ) {
    before = classes.size
    for (const source of sources) {
      each(source, (node) => {
        const parent = ts.isClassDeclaration(node) ? node.heritageClauses?.[0]?.types[0]?.expression : undefined
        if (parent && classes.has(parent.getText())) classes.set(classAround(node), makesOwnText(node))
      })
    }
  }
  return classes
}

function makesOwnText(node: ts.Node): boolean {
  let found = false
  each(node, (inner) => {
    if (isSuperCall(inner) && inner.arguments[0]) found ||= textsOf(inner.arguments[0]).some(speaks)
  })
  return found
}

function isSuperCall(node: ts.Node): node is ts.CallExpression {
  return ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.SuperKeyword
}

export function sitesIn(source: ts.SourceFile, classes: ReadonlyMap<string, boolean>): Site[] {
  const found: Site[] = []
  const add = (node: ts.Node, error: string | null, texts: Pieces[]) => {
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
    const code = node.getText().replace(/\s+/g, ' ')
    const file = source.fileName
    const whole = error === 'Error' && CATCH_THEIR_OWN.includes(file) ? null : error
    const shown = texts.filter(speaks)
    for (const text of shown.length === 0 ? [null] : shown) {
      found.push({ at: `${file}:${line}`, file, error: whole, text, code })
    }
  }
  each(source, (node) => {
    if (ts.isNewExpression(node) && classes.has(node.expression.getText())) {
      const name = node.expression.getText()
      if (!classes.get(name)) add(node, name, textsOfError(node))
    } else if (isSuperCall(node)) {
      const name = classAround(node)
      if (classes.get(name)) add(node, name, textsOf(node.arguments[0]!))
    } else if (ts.isCallExpression(node)) {
      const name = calledName(node)
      const texts = node.arguments.map(textsOf)
      if (TAKES_TEXT.includes(name)) add(node, null, texts.find((some) => some.some(speaks)) ?? [])
      const list = ts.isPropertyAccessExpression(node.expression) ? node.expression.expression.getText() : ''
      if (name === 'push' && LISTS.includes(list)) for (const item of node.arguments) addPart(item, add)
    } else if (ts.isPropertyAssignment(node) && PROPERTIES.includes(node.name.getText())) {
      addPart(node.initializer, add)
    } else if (ts.isShorthandPropertyAssignment(node) && PROPERTIES.includes(node.name.text)) {
      addPart(node.name, add)
    } else if (ts.isFunctionDeclaration(node) && givesText(node)) {
      for (const value of returned(node)) addPart(value, add)
    }
  })
  return found
}

/** The name of the class that a node stands in. */
function classAround(node: ts.Node): string {
  if (ts.isClassDeclaration(node)) return node.name?.text ?? ''
  return node.parent ? classAround(node.parent) : ''
}

function givesText(node: ts.FunctionDeclaration): boolean {
  const name = node.name?.text ?? ''
  const type = node.type?.getText().replace(/^Promise<(.*)>$/s, '$1') ?? ''
  const alternatives = type.split('|').map((part) => part.trim())
  const either = alternatives.length > 1 && alternatives.includes('string')
  return GIVES_TEXT.includes(name) || (either && !NO_WORDS.includes(name))
}

/** A part of an error's text; parts that only pass on what another function made are no sites. */
function addPart(node: ts.Expression, add: (node: ts.Node, error: null, texts: Pieces[]) => void): void {
  const texts = textsOf(node)
  if (texts.some(speaks)) add(node, null, texts)
}

/** The text of a new error, from the argument that its class takes it in. */
function textsOfError(node: ts.NewExpression): Pieces[] {
  const [first, second] = node.arguments ?? []
  const name = node.expression.getText()
  if (name === 'GpuError') return second ? textsOf(second) : []
  if (name !== 'ShapeError') return first ? textsOf(first) : []
  // An operation, a sentence, and then lines.
  return textsOf(first!).flatMap((operation) => textsOf(second!).map((rest) => [...operation, ': ', ...rest, null]))
}

/** Whether a text has fixed words enough to be known by. */
function speaks(pieces: Pieces): boolean {
  return pieces.join('').replace(/[^a-z]/gi, '').length >= 4
}

/** The texts that an expression may have. What cannot be told from the source is one piece of null. */
function textsOf(node: ts.Expression): Pieces[] {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [[node.text]]
  if (ts.isTemplateExpression(node)) {
    return [[node.head.text, ...node.templateSpans.flatMap(({ literal }) => [null, literal.text])]]
  }
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression)
  if (ts.isConditionalExpression(node)) return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)]
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const right = textsOf(node.right)
    return textsOf(node.left).flatMap((left) => right.map((rest) => [...left, ...rest]))
  }
  if (ts.isIdentifier(node)) {
    const value = declared(node)
    return value ? textsOf(value) : [[null]]
  }
  if (ts.isCallExpression(node)) return textsOfCall(node)
  return [[null]]
}

/** `[a, b].join('\n')`, or a function of the same file. */
function textsOfCall(node: ts.CallExpression): Pieces[] {
  const target = node.expression
  if (ts.isPropertyAccessExpression(target) && target.name.text === 'join') {
    const list = target.expression
    if (!ts.isArrayLiteralExpression(list)) return [[null]]
    const lines = list.elements.map((item) => (ts.isSpreadElement(item) ? [null] : textsOf(item)[0]!))
    return [lines.flatMap((line, i) => (i === 0 ? line : ['\n', ...line]))]
  }
  let made: ts.FunctionDeclaration | undefined
  each(node.getSourceFile(), (other) => {
    if (ts.isFunctionDeclaration(other) && other.name?.text === target.getText()) made = other
  })
  return made ? returned(made).flatMap(textsOf) : [[null]]
}

/** What a function returns, without what functions inside of it do. */
function returned(node: ts.FunctionDeclaration): ts.Expression[] {
  const values: ts.Expression[] = []
  const visit = (inner: ts.Node): void => {
    if (ts.isReturnStatement(inner) && inner.expression) values.push(inner.expression)
    if (!ts.isFunctionLike(inner)) ts.forEachChild(inner, visit)
  }
  if (node.body) ts.forEachChild(node.body, visit)
  return values
}

/** What a name was declared to be, in the blocks around it. */
function declared(name: ts.Identifier): ts.Expression | undefined {
  for (let node: ts.Node = name; node.parent; node = node.parent) {
    if (!ts.isBlock(node) && !ts.isSourceFile(node.parent) && !ts.isSourceFile(node)) continue
    const block = ts.isBlock(node) ? node : node.getSourceFile()
    for (const statement of block.statements) {
      if (!ts.isVariableStatement(statement)) continue
      const found = statement.declarationList.declarations.find((d) => d.name.getText() === name.text)
      if (found) return found.initializer
    }
  }
  return undefined
}

function calledName(node: ts.CallExpression): string {
  const { expression } = node
  return ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText()
}

function each(node: ts.Node, act: (node: ts.Node) => void): void {
  act(node)
  ts.forEachChild(node, (child) => each(child, act))
}
