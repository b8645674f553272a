// A table of a network's layers: their output shapes, parameters and multiply-adds.
import { full } from '../kernels/fill.ts'
import { Module, setMode } from '../nn/module.ts'
import { isParameter, tensorsOf } from '../nn/state.ts'
import { defaultGpu } from '../tensor/default.ts'
import { noGrad } from '../tensor/modes.ts'
import { type Observer, observe } from '../tensor/observe.ts'
import { shown } from '../tensor/options.ts'
import { keepRandom } from '../tensor/random.ts'
import { scope } from '../tensor/scope.ts'
import { checkShape, formatShape, type Shape, ShapeError } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'

/** One run of a layer: a module without others inside, or one that computes by itself what its children do not. */
export interface SummaryRow {
  /**
   * Its path, as in the parameters' names; '' for the module that was asked, null for one that ran without being registered:
   * it is not a property of a module, nor in an array that is one.
   */
  readonly name: string | null
  /** The name of its class. */
  readonly kind: string
  /** null where it did not run, or gave something else than one tensor. */
  readonly outputShape: Shape | null
  /**
   * Its own values among `parameters()`; a tensor that two layers share counts for the first. 0 if the name is null:
   * no optimizer is given them.
   */
  readonly parameters: number
  /** Products that its forward sums up; what is only added or compared does not count. */
  readonly multiplyAdds: number
}

/** The layers of a network with their sizes, and a table of them as text. */
export class Summary {
  readonly inputShape: Shape
  readonly rows: readonly SummaryRow[]
  /** The totals of the rows. */
  readonly parameters: number
  readonly multiplyAdds: number

  constructor(inputShape: Shape, rows: readonly SummaryRow[]) {
    this.inputShape = inputShape
    this.rows = rows
    this.parameters = rows.reduce((sum, row) => sum + row.parameters, 0)
    this.multiplyAdds = rows.reduce((sum, row) => sum + row.multiplyAdds, 0)
  }

  /** The table: a line a layer, a line of totals. */
  toString(): string {
    const count = (n: number) => n.toLocaleString('en')
    const cells = [
      ['layer', 'kind', 'output shape', 'parameters', 'multiply-adds'],
      ['input', '', formatShape(this.inputShape), '', ''],
      ...this.rows.map(({ name, kind, outputShape, parameters, multiplyAdds }) => [
        name === '' ? '-' : (name ?? '(not registered)'),
        kind,
        outputShape ? formatShape(outputShape) : '-',
        count(parameters),
        count(multiplyAdds),
      ]),
      ['total', '', '', count(this.parameters), count(this.multiplyAdds)],
    ]
    const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)))
    const pad = (cell: string, i: number) => (i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))
    return cells.map((row) => row.map(pad).join('  ').trimEnd()).join('\n')
  }

  /** What `console.log` shows under Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

declare module '../nn/module.ts' {
  interface Module {
    /** As `nn.summary(net, inputShape)`. */
    summary(inputShape: Shape): Summary
  }
}

// The base class knows nothing of its summaries; this file adds the method.
Module.prototype.summary = function (inputShape) {
  return summary(this, inputShape)
}

/**
 * A table of the layers of a network, in the order in which they run, for an input of this shape: output shape, parameters
 * and multiply-adds. It is found by one forward on zeros, in evaluation mode, without gradients and layer by layer; nothing
 * in the network changes. `String(nn.summary(net, [1, 1, 28, 28]))` is the table as text. A layer that runs without being
 * registered is shown as such, and its parameters, which `parameters()` does not have either, are not counted. Throws
 * ShapeError where the input does not fit.
 */
export function summary(net: Module, inputShape: Shape): Summary {
  if (!(net instanceof Module)) throw new TypeError('summary: the network must be a module, such as nn.Sequential')
  if (!Array.isArray(inputShape)) {
    throw new ShapeError('summary', `the input's shape is needed, such as [1, 1, 28, 28], not ${shown(inputShape)}`)
  }
  checkShape('summary', inputShape)
  const ran: { module: Module<unknown>; outputShape: Shape | null; multiplyAdds: number }[] = []
  /** The multiply-adds of the modules that run, the innermost last. */
  const running: { multiplyAdds: number }[] = []
  const observer: Observer = {
    layerByLayer: true,
    module: (module) => {
      const own = { multiplyAdds: 0 }
      running.push(own)
      return (out) => {
        running.pop()
        ran.push({ module: module as Module<unknown>, outputShape: out instanceof Tensor ? out.shape : null, ...own })
      }
    },
    operation: (op, inputs, attributes, out) => {
      const innermost = running.at(-1)
      if (innermost) innermost.multiplyAdds += op.multiplyAdds?.(inputs, attributes, out.shape) ?? 0
    },
  }
  const gpu = net.parameters()[0]?.gpu ?? defaultGpu()
  const restoreRandom = keepRandom()
  const restoreModes = setMode(net, false)
  try {
    scope(() => {
      noGrad(() => observe(observer, () => net.forward(full(gpu, inputShape, 0))))
    })
  } finally {
    restoreModes()
    restoreRandom()
  }
  // By now also what the forward itself has made is registered.
  const names = new Map([...net.namedModules()].map(([name, module]) => [module, name]))
  const seen = new Set(ran.map(({ module }) => module))
  const idle = [...names.keys()].filter((module) => !seen.has(module))
  const counted = new Set<Tensor>()
  const rows = [...ran, ...idle.map((module) => ({ module, outputShape: null, multiplyAdds: 0 }))].flatMap(
    ({ module, outputShape, multiplyAdds }): SummaryRow[] => {
      const name = names.get(module) ?? null
      const parameters = name === null ? 0 : ownParameters(module, counted)
      if (module.namedChildren().length > 0 && parameters === 0 && multiplyAdds === 0) return []
      return [{ name, kind: module.constructor.name, outputShape, parameters, multiplyAdds }]
    },
  )
  return new Summary(inputShape, rows)
}

/** How many values the parameters of a module itself have, except for those in `counted`. */
function ownParameters(module: Module<unknown>, counted: Set<Tensor>): number {
  let size = 0
  for (const [, tensor] of tensorsOf(module, isParameter)) {
    if (counted.has(tensor)) continue
    counted.add(tensor)
    size += tensor.size
  }
  return size
}
