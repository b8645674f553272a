// LeNet, the network of the chapter.
import { ReLU } from './activations.ts'
import { Conv2d } from './conv.ts'
import { Flatten, Linear, MaxPool2d } from './layers.ts'
import { Sequential, type SequentialOptions } from './sequential.ts'

/**
 * LeNet with ReLU and max pooling, the chapter's network: images [N, 1, 28, 28] to logits [N, 10]; 61,706 parameters.
 * With `fuse: false` every layer is computed by itself.
 */
export function lenet(options: SequentialOptions = {}): Sequential {
  return new Sequential(
    new Conv2d(1, 6, 5, { padding: 2 }),
    new ReLU(),
    new MaxPool2d(2),
    new Conv2d(6, 16, 5),
    new ReLU(),
    new MaxPool2d(2),
    new Flatten(),
    new Linear(400, 120),
    new ReLU(),
    new Linear(120, 84),
    new ReLU(),
    new Linear(84, 10),
    options,
  )
}
