"""A training step in the published order of computation, plainly written, with our model's weights.

Every video's clips are cut out and computed alone, every joint is multiplied with the weights of
all subsets of edges, sentences and their twins are encoded separately, attention is softmax(q k) v,
sampling is ``grid_sample``, and the optimiser goes from tensor to tensor.
"""

import math

import torch
from torch.nn.functional import grid_sample, linear, pad

from reference.clip_block import naive_clip_means, naive_temporal_block
from train.model.cross_gloss_fusion import sinusoidal_positions
from train.model.graph_convolution import BODY, HAND

BETAS, EPSILON, LARGEST_NORM = (0.9, 0.98), 1e-6, 1.0
TEMPERATURE = 0.07


def naive_step(model, optimiser, batch):
    """Loss, gradients, their limits, and the published Adam; the loss as a number.

    Rates, decays and moments are those of ``optimiser``, which must have taken a step.
    """
    optimiser.zero_grad()
    loss = naive_loss(model, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(model.parameters()), LARGEST_NORM)
    with torch.no_grad():
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                naive_adam(parameter, optimiser.state[parameter], group)
    return loss.item()


def naive_adam(parameter, state, group):
    """Adam as in the first BERT code, for one tensor."""
    torch.nn.utils.clip_grad_norm_(parameter, LARGEST_NORM)
    gradient, mean, square = parameter.grad, state["mean"], state["square"]
    mean.mul_(BETAS[0]).add_(gradient, alpha=1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    update = mean / (square.sqrt() + EPSILON)
    if group["weight_decay"] > 0:
        update += group["weight_decay"] * parameter
    parameter.sub_(group["lr"] * update)


def naive_loss(model, batch):
    """All streams against the sentences and their twins, and pose against RGB."""
    signs, scale = batch.signs, model.logit_scale.exp().clamp(max=100)
    is_real = pad(signs.clip_is_real, (1, 0), value=True)
    clips = naive_pose(model.pose_encoder, signs.pose)
    pose = naive_stream(model.pose_stream, clips, is_real)
    rgb = naive_stream(model.rgb_stream, signs.rgb, is_real)
    fusion = naive_fusion(model.fusion, pose, rgb, is_real)
    words, twins = (naive_text(model.text, text) for text in (batch.text, batch.augmented))
    pose, rgb, fusion, words, twins = (
        tokens / tokens.norm(dim=-1, keepdim=True) for tokens in (pose, rgb, fusion, words, twins)
    )
    total = 0
    for stream in (fusion, pose, rgb):
        to_text = matched(stream, words, -1)
        of_text = matched(stream, twins, -2)
        to_text = mean_of_real(to_text.sum(dim=-1), is_real[:, None])
        of_text = mean_of_real(of_text.sum(dim=-2), batch.augmented.word_is_real[None])
        total = total + four_cross_entropies(scale * to_text, scale * of_text)
    of_pose, of_rgb = (
        (matched(pose, rgb, dim).diagonal(dim1=-2, dim2=-1) * counted).sum(dim=-1)
        for dim, counted in ((-1, is_real[:, None]), (-2, is_real[None]))
    )
    return total + 0.4 * four_cross_entropies(scale * of_pose, scale * of_rgb)


def matched(one, other, dim):
    """All s softmax(s / temperature) of all pairs: (row of one, row of other, token, token)."""
    similarities = torch.einsum("aic,bjc->abij", one, other)
    return similarities * (similarities / TEMPERATURE).softmax(dim=dim)


def mean_of_real(values, is_real):
    return (values * is_real).sum(dim=-1) / is_real.sum(dim=-1)


def four_cross_entropies(one, other):
    """Their mean: rows and columns of both directions."""
    own = torch.arange(len(one))
    scores = (one, one.T, other, other.T)
    return sum(torch.nn.functional.cross_entropy(score, own) for score in scores) / 4


def naive_pose(encoder, pose):
    """One hand, the other hand, the body; then every clip alone."""
    right = naive_skeleton(encoder.hand, pose.right, HAND.parts)
    left = naive_skeleton(encoder.hand, pose.left, HAND.parts)
    body = naive_skeleton(encoder.body, pose.body, BODY.parts)
    frames = torch.cat([left, right, body], dim=-1)
    return naive_clip_means(encoder.clip_block, frames, pose.clip_starts, encoder.clip_length)


def naive_skeleton(encoder, points, parts):
    """Points, then parts, then frames in time."""
    flat = encoder.data_norm(points.flatten(0, 1).flatten(1))
    features = flat.view(len(flat), -1, 2)
    for block in encoder.point_blocks:
        features = naive_graph_block(block, features)
    features = torch.stack([features[:, list(part)].amax(dim=1) for part in parts], dim=1)
    for block in encoder.part_blocks:
        features = naive_graph_block(block, features)
    features = torch.relu(encoder.head_norm(encoder.head(features.amax(dim=1))))
    features = dropped(features, encoder.head_dropout)
    features = features.view(*points.shape[:2], -1).transpose(1, 2)
    for block in encoder.temporal_blocks:
        features = naive_temporal_block(block, features)
    return features.transpose(1, 2)


def naive_graph_block(block, features):
    hidden = torch.relu(block.message_norm(naive_graph_convolution(block.message, features)))
    hidden = block.mix_norm(block.mix(dropped(hidden, block.dropout)))
    hidden = dropped(hidden, block.dropout)
    if block.is_residual:
        hidden = hidden + block.shortcut(features)
    return torch.relu(hidden)


def dropped(values, module):
    return torch.nn.functional.dropout(values, module.p, module.training)


def naive_graph_convolution(layer, features):
    """All joints times the weights of all subsets, then the sum along the edges."""
    messages = linear(features, layer.weight, layer.bias)
    grouped = messages.unflatten(-1, (len(layer.edges), -1))
    return torch.einsum("kvw,nvkc->nwc", layer.edges, grouped)


def naive_stream(stream, clips, is_real):
    """CLIP's image transformer over clips; slots without one are looked at by none."""
    class_token = stream.class_token.expand(len(clips), 1, -1)
    tokens = torch.cat([class_token, stream.embed(clips)], dim=1) + stream.positions
    tokens = stream.norm_before(tokens)
    for block in stream.blocks:
        normed = block.attention_norm(tokens)
        tokens = tokens + naive_attention(block.attention, normed, ~is_real[:, None, None])
        hidden = block.expand(block.perceptron_norm(tokens))
        tokens = tokens + block.contract(hidden * torch.sigmoid(1.702 * hidden))
    return stream.norm_after(tokens) @ stream.projection


def naive_text(encoder, text):
    """CLIP's text transformer; no word looks at a later one."""
    network, num_words = encoder.network, text.input_ids.shape[1]
    words = network.token_embedding(text.input_ids) + network.positional_embedding[:num_words]
    is_later = torch.ones(num_words, num_words, dtype=torch.bool).triu(1)
    for block in network.transformer.resblocks:
        words = words + naive_attention(block.attn, block.ln_1(words), is_later)
        words = words + block.mlp(block.ln_2(words))
    return network.ln_final(words) @ network.text_projection


def naive_attention(attention, tokens, is_hidden):
    """softmax(q k / sqrt(c)) v, with all scores in memory."""
    joint = linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    queries, keys, values = (
        part.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
        for part in joint.chunk(3, dim=-1)
    )
    scores = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5
    weights = scores.masked_fill(is_hidden, -torch.inf).softmax(dim=-1)
    return attention.out_proj((weights @ values).transpose(1, 2).flatten(2))


def naive_fusion(fusion, pose, rgb, is_real):
    """Both branches, joined."""
    num_real = is_real.sum(dim=-1)
    positions = sinusoidal_positions(*pose.shape[1:]).to(pose)
    one, other = pose + positions, rgb + positions
    for pose_layer, rgb_layer in zip(fusion.pose_layers, fusion.rgb_layers, strict=True):
        one, other = (
            naive_gloss_layer(pose_layer, one, other, num_real),
            naive_gloss_layer(rgb_layer, other, one, num_real),
        )
    joined = fusion.perceptron(fusion.pose_norm(one), fusion.rgb_norm(other))
    return joined + pose + rgb


def naive_gloss_layer(layer, own, other, num_real):
    attended = naive_gloss_attention(layer.attention, layer.own_norm(own), other, num_real)
    own = own + dropped(attended, layer.dropout)
    hidden = torch.relu(layer.expand(layer.perceptron_norm(own)))
    return own + dropped(layer.contract(dropped(hidden, layer.dropout)), layer.dropout)


def naive_gloss_attention(attention, own, other, num_real):
    """Queries and values of the other stream, keys of the own one; heads are rows of the batch."""

    def of_heads(tokens):
        return tokens.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2).flatten(0, 1)

    query = attention.query(other)
    offsets = of_heads(attention.offsets(query))
    num_tokens, num_neighbours = offsets.shape[1:]
    window = torch.arange(num_neighbours) - math.ceil(num_neighbours / 2)
    places = torch.arange(num_tokens)[:, None] + window + offsets
    places = places % (num_real - 1).repeat_interleave(attention.num_heads)[:, None, None]
    x = places / (num_tokens - 1) * 2 - 1
    grid = torch.stack([x, torch.ones_like(x)], dim=-1)
    keys, values = (
        grid_sample(of_heads(tokens).transpose(1, 2)[:, :, None], grid, align_corners=False)
        for tokens in (attention.key(own), attention.value(other))
    )
    query = of_heads(query)
    scores = torch.einsum("btc,bctn->btn", query, keys) / query.shape[-1] ** 0.5
    found = torch.einsum("btn,bctn->btc", scores.softmax(dim=-1), values)
    found = found.unflatten(0, (-1, attention.num_heads)).transpose(1, 2).flatten(2)
    return attention.output(found)
