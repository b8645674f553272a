// Digits by a small convolutional network, after Keras's "Simple MNIST convnet".
import { evaluate, type FitResult, fit, ImageBatches, type ImageDataset, nn, optim, take } from 'dawngrad'

/** Images [N, 1, 28, 28] → logits of the 10 digits. */
export function network({ filters = [32, 64], dropout = 0.5 } = {}): nn.Sequential {
  const [first, second] = filters as [number, number]
  return new nn.Sequential(
    new nn.Conv2d(1, first, 3),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(first, second, 3),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Dropout(dropout),
    new nn.Linear(second * 5 * 5, 10),
  )
}

/** The images from the given one on. */
function from(set: ImageDataset, first: number): ImageDataset {
  const bytes = set.channels * set.height * set.width
  const { images, labels, count } = set
  return { ...set, images: images.subarray(first * bytes), labels: labels.subarray(first), count: count - first }
}

/** Trains on nine tenths of the images and evaluates on the others after every epoch. */
export function train(net: nn.Module, set: ImageDataset, { batchSize = 128, epochs = 15 } = {}): Promise<FitResult> {
  const count = Math.floor(0.9 * set.count)
  const data = {
    train: new ImageBatches(take(set, count), { batchSize }),
    test: new ImageBatches(from(set, count), { batchSize }),
  }
  return fit(net, { data, optimizer: new optim.Adam(net.parameters(), { lr: 1e-3, eps: 1e-7 }), epochs })
}

/** Loss and accuracy over the test's images. */
export const score = (net: nn.Module, set: ImageDataset) => evaluate(net, new ImageBatches(set))
