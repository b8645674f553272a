// Convolutions as layers: a weight and a bias that are trained.

import { convTranspose2d, requireOutputPadding } from '../kernels/conv_transpose2d.ts'
import { conv1d, readConv1d } from '../kernels/conv1d.ts'
import { conv2d, requireDividing } from '../kernels/conv2d.ts'
import { requireFlags, requireOptions, tooMany } from '../tensor/options.ts'
import { pair, whole } from '../tensor/shape.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { uniformParameter } from './init.ts'
import { requireCount } from './layers.ts'
import { Module } from './module.ts'

/** Options of {@link Conv2d}: as those of the operation, and whether there is a bias; there is unless given. */
export interface Conv2dLayerOptions {
  readonly stride?: number | readonly number[]
  readonly padding?: number | readonly number[]
  readonly dilation?: number | readonly number[]
  /** Groups of channels, each with as many of the filters; 1 unless given. */
  readonly groups?: number
  readonly bias?: boolean
}

/**
 * conv2d with weight [outChannels, inChannels / groups, KH, KW] and bias [outChannels], uniform in ±1/√(inChannels / groups·KH·KW).
 */
export class Conv2d extends Module {
  readonly weight: Tensor
  readonly bias: Tensor | null
  readonly options: Required<Omit<Conv2dLayerOptions, 'bias'>>

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: Conv2dLayerOptions = {},
  ) {
    if (arguments.length > 4) throw tooMany(arguments, 'nn.Conv2d(inChannels, outChannels, kernelSize, options)')
    super()
    requireOptions('nn.Conv2d', options, ['stride', 'padding', 'dilation', 'groups', 'bias'])
    requireFlags('nn.Conv2d', options, ['bias'])
    requireCount('nn.Conv2d', 'inChannels', inChannels)
    requireCount('nn.Conv2d', 'outChannels', outChannels)
    const [KH, KW] = pair('nn.Conv2d', 'kernelSize', kernelSize, 1)
    const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true } = options
    pair('nn.Conv2d', 'stride', stride, 1)
    pair('nn.Conv2d', 'padding', padding, 0)
    pair('nn.Conv2d', 'dilation', dilation, 1)
    requireDividing('nn.Conv2d', groups, { inChannels, outChannels })
    this.options = { stride, padding, dilation, groups }
    const shape = [outChannels, inChannels / groups, KH, KW]
    const fanIn = (inChannels / groups) * KH * KW
    this.weight = uniformParameter('weight', shape, fanIn)
    this.bias = bias ? uniformParameter('bias', [outChannels], fanIn) : null
  }

  override forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this.options)
  }
}

/** Options of {@link Conv1d}: as those of the operation, and whether there is a bias; there is unless given. */
export interface Conv1dLayerOptions {
  readonly stride?: number
  readonly padding?: number
  readonly dilation?: number
  /** Groups of channels, each with as many of the filters; 1 unless given. */
  readonly groups?: number
  readonly bias?: boolean
}

/**
 * conv1d with weight [outChannels, inChannels / groups, K] and bias [outChannels], uniform in ±1/√(inChannels / groups·K).
 */
export class Conv1d extends Module {
  readonly weight: Tensor
  readonly bias: Tensor | null
  readonly options: Required<Omit<Conv1dLayerOptions, 'bias'>>

  constructor(inChannels: number, outChannels: number, kernelSize: number, options: Conv1dLayerOptions = {}) {
    if (arguments.length > 4) throw tooMany(arguments, 'nn.Conv1d(inChannels, outChannels, kernelSize, options)')
    super()
    requireOptions('nn.Conv1d', options, ['stride', 'padding', 'dilation', 'groups', 'bias'])
    requireFlags('nn.Conv1d', options, ['bias'])
    requireCount('nn.Conv1d', 'inChannels', inChannels)
    requireCount('nn.Conv1d', 'outChannels', outChannels)
    const K = whole('nn.Conv1d', 'kernelSize', kernelSize, 1)
    this.options = readConv1d('nn.Conv1d', options)
    const { groups } = this.options
    requireDividing('nn.Conv1d', groups, { inChannels, outChannels })
    const fanIn = (inChannels / groups) * K
    this.weight = uniformParameter('weight', [outChannels, inChannels / groups, K], fanIn)
    this.bias = (options.bias ?? true) ? uniformParameter('bias', [outChannels], fanIn) : null
  }

  override forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, this.bias, this.options)
  }
}

/** Options of {@link ConvTranspose2d}: as those of the operation, and whether there is a bias; there is unless given. */
export interface ConvTranspose2dLayerOptions extends Conv2dLayerOptions {
  readonly outputPadding?: number | readonly number[]
}

/**
 * convTranspose2d with weight [inChannels, outChannels / groups, KH, KW] and bias [outChannels], uniform in
 * ±1/√(outChannels / groups·KH·KW), as PyTorch's.
 */
export class ConvTranspose2d extends Module {
  readonly weight: Tensor
  readonly bias: Tensor | null
  readonly options: Required<Omit<ConvTranspose2dLayerOptions, 'bias'>>

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTranspose2dLayerOptions = {},
  ) {
    const name = 'nn.ConvTranspose2d'
    if (arguments.length > 4) throw tooMany(arguments, `${name}(inChannels, outChannels, kernelSize, options)`)
    super()
    requireOptions(name, options, ['stride', 'padding', 'outputPadding', 'dilation', 'groups', 'bias'])
    requireFlags(name, options, ['bias'])
    requireCount(name, 'inChannels', inChannels)
    requireCount(name, 'outChannels', outChannels)
    const [KH, KW] = pair(name, 'kernelSize', kernelSize, 1)
    const { stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups = 1, bias = true } = options
    pair(name, 'padding', padding, 0)
    const steps = { stride: pair(name, 'stride', stride, 1), dilation: pair(name, 'dilation', dilation, 1) }
    requireOutputPadding(name, pair(name, 'outputPadding', outputPadding, 0), steps)
    requireDividing(name, groups, { inChannels, outChannels })
    this.options = { stride, padding, outputPadding, dilation, groups }
    const shape = [inChannels, outChannels / groups, KH, KW]
    const fanIn = (outChannels / groups) * KH * KW
    this.weight = uniformParameter('weight', shape, fanIn)
    this.bias = bias ? uniformParameter('bias', [outChannels], fanIn) : null
  }

  override forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, this.bias, this.options)
  }
}
