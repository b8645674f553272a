// Recurrent layers over sequences, RNN, LSTM and GRU, and the cells of one step.
import { dependingOn, looksAcross } from '../capture/current.ts'
import { add, mul, sub } from '../kernels/binary.ts'
import { cat, select, slice, split, stack } from '../kernels/copy.ts'
import { dropout } from '../kernels/dropout.ts'
import { full } from '../kernels/fill.ts'
import { linear } from '../kernels/linear.ts'
import { type RecurrenceKind, recurrence } from '../kernels/rnn_gates.ts'
import { kindOf, requireTensors, requireType } from '../kernels/support.ts'
import { relu, sigmoid, tanh } from '../kernels/unary.ts'
import { requireFlags, requireOptions, requireShare, shown, tooMany } from '../tensor/options.ts'
import { scope } from '../tensor/scope.ts'
import { formatShape, type Shape, ShapeError, sameShape } from '../tensor/shape.ts'
import { Tensor } from '../tensor/tensor.ts'
import { uniformParameter } from './init.ts'
import { requireCount } from './layers.ts'
import { Module } from './module.ts'

/** What a kind of layer does in one step. */
interface Kind {
  readonly name: RecurrenceKind
  /** How many numbers a hidden unit takes from its input: rows of the weights are gate after gate, as in PyTorch. */
  readonly gates: number
  /** What is carried from step to step. */
  readonly states: readonly string[]
  /** The states after a step, from the products of input and state with their weights, [N, gates · H], and the states before. */
  step(ofInput: Tensor, ofState: Tensor, states: readonly Tensor[]): readonly Tensor[]
}

/** h′ = f(i + s), i and s being what the gates get from the input and from the state. */
const plain = (name: RecurrenceKind, f: (x: Tensor) => Tensor): Kind => ({
  name,
  gates: 1,
  states: ['h'],
  step: (ofInput, ofState) => [f(add(ofInput, ofState))],
})

const RNNS = { tanh: plain('tanh', tanh), relu: plain('relu', relu) } as const

/** c′ = σ(f) c + σ(i) tanh(g), h′ = σ(o) tanh(c′). */
const LSTM_KIND: Kind = {
  name: 'lstm',
  gates: 4,
  states: ['h', 'c'],
  step(ofInput, ofState, [h, c]) {
    const [i, f, g, o] = split(add(ofInput, ofState), h!.shape.at(-1)!, -1) as [Tensor, Tensor, Tensor, Tensor]
    const cell = add(mul(sigmoid(f), c!), mul(sigmoid(i), tanh(g)))
    return [mul(sigmoid(o), tanh(cell)), cell]
  },
}

/** r = σ(iᵣ + sᵣ), z = σ(i_z + s_z), n = tanh(iₙ + r sₙ), h′ = (1 − z) n + z h. */
const GRU_KIND: Kind = {
  name: 'gru',
  gates: 3,
  states: ['h'],
  step(ofInput, ofState, [h]) {
    const size = h!.shape.at(-1)!
    const [ir, iz, input] = split(ofInput, size, -1) as [Tensor, Tensor, Tensor]
    const [sr, sz, state] = split(ofState, size, -1) as [Tensor, Tensor, Tensor]
    const n = tanh(add(input, mul(sigmoid(add(ir, sr)), state)))
    return [add(n, mul(sigmoid(add(iz, sz)), sub(h!, n)))]
  },
}

/** The weights of one direction of a layer, as PyTorch has them; without biases these are null. */
interface Weights {
  readonly ofInput: Tensor
  readonly ofState: Tensor
  readonly inputBias: Tensor | null
  readonly stateBias: Tensor | null
}

/** Makes the parameters of one direction, uniform in ±1/√hiddenSize, under PyTorch's names with an ending. */
function makeParameters(
  kind: Kind,
  { inputs, hidden, bias }: { readonly inputs: number; readonly hidden: number; readonly bias: boolean },
  ending: string,
): Record<string, Tensor> {
  const rows = kind.gates * hidden
  const shapes: Record<string, Shape> = {
    [`weight_ih${ending}`]: [rows, inputs],
    [`weight_hh${ending}`]: [rows, hidden],
    ...(bias && { [`bias_ih${ending}`]: [rows], [`bias_hh${ending}`]: [rows] }),
  }
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [name, uniformParameter(name, shape, hidden)]),
  )
}

/** The weights that a module has under these names now: a user may have set others. */
function weightsOf(module: Recurrent<unknown> | RecurrentCell<unknown>, ending: string): Weights {
  return {
    ofInput: module[`weight_ih${ending}`]!,
    ofState: module[`weight_hh${ending}`]!,
    inputBias: module[`bias_ih${ending}`] ?? null,
    stateBias: module[`bias_hh${ending}`] ?? null,
  }
}

/** Throws for an input of another type, rank or number of features. */
function requireInput(name: string, x: Tensor, features: number, layouts: readonly string[]): void {
  requireTensors(name, { input: x })
  requireType(name, 'input', x)
  x.checkUsable(name)
  const { shape } = x
  const letters = layouts.find((layout) => layout.split(' ').length === shape.length)
  if (letters === undefined) {
    const ranks = layouts.map((layout) => `${layout.split(' ').length} (${layout})`).join(' or ')
    throw new ShapeError(name, `input has ${shape.length} dimensions, it must have ${ranks}`, [['input', shape]])
  }
  if (shape.at(-1) !== features) {
    const sentence = `the layer takes ${features} input features, input has ${shape.at(-1)}`
    throw new ShapeError(name, sentence, [['input', shape, letters]])
  }
}

/** The states given, one for each that the kind has; null if there are none. Throws for what does not fit the input. */
function readStates(name: string, kind: Kind, given: unknown, shape: Shape, input: Shape): readonly Tensor[] | null {
  if (given === undefined || given === null) return null
  const roles = kind.states
  const list: readonly unknown[] = roles.length === 1 ? [given] : Array.isArray(given) ? given : []
  if (list.length !== roles.length) {
    const found = Array.isArray(given) ? `a list of ${given.length}` : given instanceof Tensor ? 'one' : kindOf(given)
    throw new TypeError(`${name}: the state must be [${roles.join(', ')}], two tensors, not ${found}`)
  }
  requireTensors(name, Object.fromEntries(roles.map((role, i) => [role, list[i]])))
  const states = list as readonly Tensor[]
  for (const [i, state] of states.entries()) {
    requireType(name, roles[i]!, state)
    state.checkUsable(name)
    if (sameShape(state.shape, shape)) continue
    throw new ShapeError(name, `${roles[i]} must have the shape ${formatShape(shape)} for this input`, [
      ['input', input],
      [roles[i]!, state.shape],
    ])
  }
  return states
}

const zeros = (x: Tensor, shape: Shape) => full(x.gpu, shape, 0)

/** Options of {@link RNN}, {@link LSTM} and {@link GRU}. */
export interface RecurrentOptions {
  /** How many layers there are, each of which takes the outputs of the one before; 1 unless given. */
  readonly numLayers?: number
  /** Whether there are biases; true unless given. */
  readonly bias?: boolean
  /** Whether inputs and outputs are [N, L, …] in place of [L, N, …]; false unless given. */
  readonly batchFirst?: boolean
  /** With which probability elements between two layers are dropped in training mode; 0 unless given. */
  readonly dropout?: number
  /** Whether every layer goes through the sequence backwards too; false unless given. */
  readonly bidirectional?: boolean
}

/** Options of {@link RNN}. */
export interface RNNOptions extends RecurrentOptions {
  /** 'tanh' unless given, or 'relu'. */
  readonly nonlinearity?: 'tanh' | 'relu'
}

/** What the layers over sequences share. */
export abstract class Recurrent<State> extends Module<[out: Tensor, state: State]> {
  /** Parameters by PyTorch's names, such as weight_hh_l0. */
  readonly [parameter: `weight_${string}` | `bias_${string}`]: Tensor
  readonly inputSize: number
  readonly hiddenSize: number
  readonly numLayers: number
  readonly bias: boolean
  readonly batchFirst: boolean
  readonly bidirectional: boolean
  /** With which probability elements between two layers are dropped in training mode. */
  dropout: number
  readonly #name: string
  readonly #kind: Kind

  constructor(name: string, kind: Kind, inputSize: number, hiddenSize: number, options: RecurrentOptions) {
    super()
    requireCount(name, 'inputSize', inputSize)
    requireCount(name, 'hiddenSize', hiddenSize)
    const { numLayers = 1, bias = true, batchFirst = false, dropout = 0, bidirectional = false } = options
    requireCount(name, 'numLayers', numLayers)
    requireFlags(name, options, ['bias', 'batchFirst', 'bidirectional'])
    requireShare(name, 'dropout', dropout)
    this.#name = name
    this.#kind = kind
    this.inputSize = inputSize
    this.hiddenSize = hiddenSize
    this.numLayers = numLayers
    this.bias = bias
    this.batchFirst = batchFirst
    this.bidirectional = bidirectional
    this.dropout = dropout
    for (const [k, ending] of this.#endings().entries()) {
      const inputs = k < this.#directions ? inputSize : hiddenSize * this.#directions
      Object.assign(this, makeParameters(kind, { inputs, hidden: hiddenSize, bias }, ending))
    }
  }

  get #directions(): number {
    return this.bidirectional ? 2 : 1
  }

  /** The endings of PyTorch's names, in the order of the states: layer by layer, forwards and backwards. */
  #endings(): string[] {
    return Array.from({ length: this.numLayers }, (_, layer) =>
      this.bidirectional ? [`_l${layer}`, `_l${layer}_reverse`] : [`_l${layer}`],
    ).flat()
  }

  /** The outputs of the last layer and the last states of all, the latter in the order of the kind. */
  protected run(x: Tensor, given: State | null | undefined): [out: Tensor, states: Tensor[]] {
    const [name, kind] = [this.#name, this.#kind]
    requireInput(name, x, this.inputSize, [this.batchFirst ? 'N L I' : 'L N I', 'L I'])
    const isBatch = x.shape.length === 3
    const time = isBatch && this.batchFirst ? 1 : 0
    if (x.shape[time] === 0) throw new ShapeError(name, 'the sequence has no steps', [['input', x.shape]])
    const batch = isBatch ? [x.shape[1 - time]!] : []
    const shape = [this.numLayers * this.#directions, ...batch, this.hiddenSize]
    const states = readStates(name, kind, given, shape, x.shape)
    // Where the batch comes first its rows stay apart in the output, but not in the states.
    looksAcross(time === 1 ? `the state of ${name}` : name, x)
    const p = dependingOn(
      () => this.dropout,
      (then) => `the dropout of an ${name} is ${this.dropout} now, and was ${then}`,
    )
    // A plan need not depend on the mode where nothing is dropped.
    const training = this.numLayers > 1 && p > 0 && this.training
    return scope(() => {
      const first = states?.map((state) => (isBatch ? state : state.unsqueeze(1)))
      let y = isBatch ? x : x.unsqueeze(1)
      const last: (readonly Tensor[])[] = []
      for (let layer = 0; layer < this.numLayers; layer++) {
        if (layer > 0) y = dropout(y, { p, training })
        const outs = this.#endings()
          .slice(layer * this.#directions, (layer + 1) * this.#directions)
          .map((ending, direction) => {
            const start = first?.map((state) => select(state, 0, last.length))
            const [out, end] = this.#runThrough(y, start, weightsOf(this, ending), time, direction === 1)
            last.push(end)
            return out
          })
        y = outs.length === 1 ? outs[0]! : cat(outs, -1)
      }
      const ends = kind.states.map((_, i) => stack(last.map((end) => end[i]!)))
      return isBatch ? [y, ends] : [y.squeeze(1), ends.map((end) => end.squeeze(1))]
    })
  }

  /** One direction of one layer: its output after every step, in the order of the sequence, and its states after the last. */
  #runThrough(
    x: Tensor,
    start: readonly Tensor[] | undefined,
    weights: Weights,
    time: 0 | 1,
    backwards: boolean,
  ): [out: Tensor, end: readonly Tensor[]] {
    const { name, states } = this.#kind
    const H = this.hiddenSize
    const before = start ?? states.map(() => zeros(x, [x.shape[1 - time]!, H]))
    const ofInput = linear(x, weights.ofInput, weights.inputBias)
    const all = recurrence(ofInput, weights.ofState, weights.stateBias, before, { kind: name, time, backwards })
    const last = select(all, time, backwards ? 0 : -1)
    if (states.length === 1) return [all, [last]]
    return [slice(all, -1, 0, H), split(last, H, -1)]
  }
}

const OPTIONS = ['numLayers', 'bias', 'batchFirst', 'dropout', 'bidirectional'] as const

/** A nonlinearity's kind. Throws TypeError for another one. */
function plainKind(name: string, nonlinearity: 'tanh' | 'relu'): Kind {
  if (Object.hasOwn(RNNS, nonlinearity)) return RNNS[nonlinearity]
  throw new TypeError(`${name}: nonlinearity must be 'tanh' or 'relu', not ${shown(nonlinearity)}`)
}

/**
 * A recurrent layer: h′ = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu, at every step of a sequence. D is 2 where it is
 * bidirectional, else 1. State: PyTorch's weight_ih_l0 [hiddenSize, inputSize], weight_hh_l0 [hiddenSize, hiddenSize], bias_ih_l0
 * and bias_hh_l0 [hiddenSize], then those of the other direction, whose names end with _reverse, and of further layers, which take
 * D · hiddenSize features; uniform in ±1/√hiddenSize at first.
 */
export class RNN extends Recurrent<Tensor> {
  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.RNN(inputSize, hiddenSize, options)')
    requireOptions('nn.RNN', options, [...OPTIONS, 'nonlinearity'])
    super('nn.RNN', plainKind('nn.RNN', options.nonlinearity ?? 'tanh'), inputSize, hiddenSize, options)
  }

  /**
   * Returns [out, h]: the last layer's outputs [L, N, D · hiddenSize], forwards and backwards side by side, and every layer's last h
   * [numLayers · D, N, hiddenSize]. x is [L, N, inputSize]; `state` is the h to begin with, 0 unless given. With batchFirst x and
   * out are [N, L, …]. Without a batch, [L, inputSize], no tensor has the dimension N. Throws ShapeError for what does not fit.
   */
  override forward(x: Tensor, state: Tensor | null = null): [out: Tensor, state: Tensor] {
    const [out, [h]] = this.run(x, state)
    return [out, h!]
  }
}

/**
 * Long short-term memory: c′ = σ(f) c + σ(i) tanh(g), h′ = σ(o) tanh(c′), where i, f, g, o are the four parts of W_ih x + b_ih + W_hh h +
 * b_hh. State as in {@link RNN}, with 4 · hiddenSize rows, i, f, g and o one after another.
 */
export class LSTM extends Recurrent<[h: Tensor, c: Tensor]> {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.LSTM(inputSize, hiddenSize, options)')
    requireOptions('nn.LSTM', options, OPTIONS)
    super('nn.LSTM', LSTM_KIND, inputSize, hiddenSize, options)
  }

  /** Returns [out, [h, c]], as {@link RNN} has them, with a c beside each h, of its shape. */
  override forward(
    x: Tensor,
    state: readonly [h: Tensor, c: Tensor] | null = null,
  ): [out: Tensor, state: [h: Tensor, c: Tensor]] {
    const [out, [h, c]] = this.run(x, state as [Tensor, Tensor] | null)
    return [out, [h!, c!]]
  }
}

/**
 * Gated recurrent units: r = σ(iᵣ + sᵣ), z = σ(i_z + s_z), n = tanh(iₙ + r sₙ), h′ = (1 − z) n + z h, where i are the three parts of
 * W_ih x + b_ih and s those of W_hh h + b_hh. State as in {@link RNN}, with 3 · hiddenSize rows, r, z and n one after another.
 */
export class GRU extends Recurrent<Tensor> {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.GRU(inputSize, hiddenSize, options)')
    requireOptions('nn.GRU', options, OPTIONS)
    super('nn.GRU', GRU_KIND, inputSize, hiddenSize, options)
  }

  /** Returns [out, h], as {@link RNN} has them. */
  override forward(x: Tensor, state: Tensor | null = null): [out: Tensor, state: Tensor] {
    const [out, [h]] = this.run(x, state)
    return [out, h!]
  }
}

/** Options of {@link LSTMCell} and {@link GRUCell}. */
export interface CellOptions {
  /** Whether there are biases; true unless given. */
  readonly bias?: boolean
}

/** Options of {@link RNNCell}. */
export interface RNNCellOptions extends CellOptions {
  /** 'tanh' unless given, or 'relu'. */
  readonly nonlinearity?: 'tanh' | 'relu'
}

/** What the cells share. */
export abstract class RecurrentCell<State> extends Module<State> {
  /** Parameters by PyTorch's names, such as weight_hh. */
  readonly [parameter: `weight_${string}` | `bias_${string}`]: Tensor
  readonly inputSize: number
  readonly hiddenSize: number
  readonly bias: boolean
  readonly #name: string
  readonly #kind: Kind

  constructor(name: string, kind: Kind, inputSize: number, hiddenSize: number, options: CellOptions) {
    super()
    requireCount(name, 'inputSize', inputSize)
    requireCount(name, 'hiddenSize', hiddenSize)
    requireFlags(name, options, ['bias'])
    const { bias = true } = options
    this.#name = name
    this.#kind = kind
    this.inputSize = inputSize
    this.hiddenSize = hiddenSize
    this.bias = bias
    Object.assign(this, makeParameters(kind, { inputs: inputSize, hidden: hiddenSize, bias }, ''))
  }

  /** The states after a step, in the order of the kind. */
  protected run(x: Tensor, given: State | null | undefined): readonly Tensor[] {
    const [name, kind] = [this.#name, this.#kind]
    requireInput(name, x, this.inputSize, ['N I', 'I'])
    const shape = [...x.shape.slice(0, -1), this.hiddenSize]
    const states = readStates(name, kind, given, shape, x.shape)
    const { ofInput, ofState, inputBias, stateBias } = weightsOf(this, '')
    return scope(() => {
      const before = states ?? kind.states.map(() => zeros(x, shape))
      return kind.step(linear(x, ofInput, inputBias), linear(before[0]!, ofState, stateBias), before)
    })
  }
}

/**
 * One step of an {@link RNN} of one layer. State: weight_ih [hiddenSize, inputSize], weight_hh [hiddenSize, hiddenSize], bias_ih and
 * bias_hh [hiddenSize], uniform in ±1/√hiddenSize at first.
 */
export class RNNCell extends RecurrentCell<Tensor> {
  constructor(inputSize: number, hiddenSize: number, options: RNNCellOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.RNNCell(inputSize, hiddenSize, options)')
    requireOptions('nn.RNNCell', options, ['bias', 'nonlinearity'])
    super('nn.RNNCell', plainKind('nn.RNNCell', options.nonlinearity ?? 'tanh'), inputSize, hiddenSize, options)
  }

  /** Returns h′ [N, hiddenSize], from x [N, inputSize] and h, 0 unless given; all of them may lack the dimension N. */
  override forward(x: Tensor, state: Tensor | null = null): Tensor {
    return this.run(x, state)[0]!
  }
}

/** One step of an {@link LSTM} of one layer. State as in {@link RNNCell}, with 4 · hiddenSize rows. */
export class LSTMCell extends RecurrentCell<[h: Tensor, c: Tensor]> {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.LSTMCell(inputSize, hiddenSize, options)')
    requireOptions('nn.LSTMCell', options, ['bias'])
    super('nn.LSTMCell', LSTM_KIND, inputSize, hiddenSize, options)
  }

  /** Returns [h′, c′], each [N, hiddenSize], from x [N, inputSize] and [h, c], 0 unless given; all of them may lack the dimension N. */
  override forward(x: Tensor, state: readonly [h: Tensor, c: Tensor] | null = null): [h: Tensor, c: Tensor] {
    const [h, c] = this.run(x, state as [Tensor, Tensor] | null)
    return [h!, c!]
  }
}

/** One step of a {@link GRU} of one layer. State as in {@link RNNCell}, with 3 · hiddenSize rows. */
export class GRUCell extends RecurrentCell<Tensor> {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    if (arguments.length > 3) throw tooMany(arguments, 'nn.GRUCell(inputSize, hiddenSize, options)')
    requireOptions('nn.GRUCell', options, ['bias'])
    super('nn.GRUCell', GRU_KIND, inputSize, hiddenSize, options)
  }

  /** Returns h′ [N, hiddenSize], from x [N, inputSize] and h, 0 unless given; all of them may lack the dimension N. */
  override forward(x: Tensor, state: Tensor | null = null): Tensor {
    return this.run(x, state)[0]!
  }
}
