// What a sentence is meant to do, from its embedding, after tensorflow/tfjs-examples, intent-classifier.
import { type Batches, type BatchField, crossEntropy, nn, noGrad, optim, scope, where } from 'dawngrad'

/** Embeddings [rows, 512], and the number of the intent. */
export type Sentences = Batches<{ x: BatchField; y: BatchField }>

/** Keras' first values: Glorot's, and biases of 0. */
export function network(intents: number, embeddingDims = 512): nn.Linear {
  const net = new nn.Linear(embeddingDims, intents)
  nn.init.xavierUniform(net.weight)
  nn.init.zeros(net.bias!)
  return net
}

/** Keras' 'adam'. Returns the loss of every step, and loss and accuracy of the sentences held out after every epoch. */
export async function train(net: nn.Linear, sentences: Sentences, held: Sentences, { epochs = 32 } = {}) {
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.001, eps: 1e-7 })
  const losses = []
  const validation = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 0; i < sentences.length; i++) {
      const loss = scope(() => {
        const { x, y } = sentences.next()
        const loss = crossEntropy(net.forward(x), y)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss
      })
      losses.push(await loss.item())
    }
    let [loss, accuracy] = [0, 0]
    for (const { x, y, size } of held) {
      const logits = noGrad(() => net.forward(x))
      loss += ((await crossEntropy(logits, y).item()) * size) / held.size
      accuracy += (await where(logits.argmax(1).eq(y), 1, 0).sum().item()) / held.size
    }
    validation.push({ loss, accuracy })
  }
  return { losses, validation }
}
