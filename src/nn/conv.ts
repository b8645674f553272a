// Convolutions as layers: a weight and a bias that are trained.
import { conv2d, requireDividing } from '../kernels/conv2d.ts'
import { requireFlags, requireOptions } from '../tensor/options.ts'
import { pair } from '../tensor/shape.ts'
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
