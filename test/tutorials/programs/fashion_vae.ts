// A variational autoencoder of clothes with codes of two numbers, after fashion-mnist-vae of tfjs-examples. Its network is that of vae.ts.
import { capture, mseLoss, noGrad, optim, scope, type Tensor, tensor } from 'dawngrad'
import { type Images, VAE } from './vae.ts'

export const network = () => new VAE({ hidden: 512, latent: 2 })

/** The mean over the images of the squared distance and of the divergence of the codes from the normal distribution. */
export function vaeLoss(images: Tensor, [restored, mean, logVar]: readonly [Tensor, Tensor, Tensor]): Tensor {
  const reconstruction = mseLoss(restored, images).mul(images.shape[1]!)
  const divergence = logVar.add(1).sub(mean.square()).sub(logVar.exp()).sum(-1).mul(-0.5)
  return reconstruction.add(divergence).mean()
}

/** Returns the losses of all steps, and the image that the code 0 stands for. */
export async function train(net: VAE, data: Images, { epochs = 100, lr = 1e-3 } = {}) {
  const optimizer = new optim.Adam(net.parameters(), { lr, eps: 1e-7 })
  const step = capture(() => {
    const images = data.next().images.flatten()
    const loss = vaeLoss(images, net.forward(images))
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss
  })
  const losses = []
  for (let i = 0; i < epochs * data.length; i++) {
    step.run()
    losses.push(await step.result.item())
  }
  return { losses, image: scope(() => noGrad(() => net.decode(tensor([[0, 0]])))) }
}
