# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels of vLLM, TransformerEngine and SGLang at the work of an observation, where they are installed as Python
packages. Their permutes sort the choices too, as moecal's gate does: they are held against permute and the gate's table
together. Their align kernels make such a table, and are held against it alone."""
from __future__ import annotations

import inspect

from ratios import Unavailable, gate_of, kind, seconds, table_seconds
from torch_peer import Operands

BLOCK_ROWS = 128  # to which align kernels pad an expert's rows


class MoePeer:
    """What the three share. Constructors raise ImportError where the package is not."""

    def __init__(self, torch, device: str, name: str):
        self.torch, self.operands = torch, Operands(torch, device)
        self.name = name

    def make(self, o: dict):
        if o["operation"] != "topk_gate" and o["dtypes"]["c"] != o["dtypes"]["a"]:
            raise Unavailable("its kernel does not cast")
        return getattr(self, "make_" + o["operation"])(o)

    def own_seconds(self, o: dict, observations: list[dict]) -> float:
        """What moecal takes for the peer's work. @throws Unavailable if the run did not time that."""
        if o["operation"] == "topk_gate":
            return table_seconds(o)
        if o["operation"] == "permute":
            return seconds(o) + table_seconds(gate_of(o, observations))
        return seconds(o)

    def held_against(self, o: dict) -> str:
        """What own_seconds() are of."""
        more = {"permute": " and the gate's table", "topk_gate": ": the table alone"}
        return kind(o) + more.get(o["operation"], "")

    def tokens(self, o: dict):
        p, word = o["point"], o["dtypes"]["a"]
        return self.operands.uniform((p["tokens"], p["hidden"]), word)

    def experts(self, o: dict):
        return self.operands.choices(o).to(self.torch.int32)

    def weights(self, o: dict):
        p = o["point"]
        return self.torch.rand((p["tokens"], p["top_k"]), device=self.operands.device)

    def aligned(self, o: dict, experts: int) -> dict:
        """Tables of an align kernel by its parameters' names, for so many experts."""
        choices = self.experts(o)
        rows = choices.numel() + experts * (BLOCK_ROWS - 1)
        empty = {"sorted_token_ids": rows, "experts_ids": -(-rows // BLOCK_ROWS), "num_tokens_post_pad": 1,
                 "cumsum_buffer": experts + 1, "token_cnts_buffer": (experts + 1) * experts}
        tables = {name: self.torch.zeros(count, dtype=self.torch.int32, device=choices.device) for name, count in empty.items()}
        return tables | {"topk_ids": choices, "num_experts": experts, "block_size": BLOCK_ROWS, "pad_sorted_token_ids": True}


def call_with(function, values: dict):
    """A call of `function` with those of the values that it has parameters for: releases differ in their buffers.
    @throws Unavailable if it needs one that is not here."""
    parameters = inspect.signature(function).parameters.values()
    missing = [p.name for p in parameters if p.default is p.empty and p.name not in values]
    if missing:
        raise Unavailable(f"this release's {function.__name__} also needs {', '.join(missing)}")
    chosen = {p.name: values[p.name] for p in parameters if p.name in values}
    return lambda: function(**chosen)


class Vllm(MoePeer):
    def __init__(self, torch, device: str):
        import vllm  # pylint: disable=import-outside-toplevel
        from vllm import _custom_ops  # pylint: disable=import-outside-toplevel
        from vllm.model_executor.layers.fused_moe import moe_permute_unpermute  # pylint: disable=import-outside-toplevel

        super().__init__(torch, device, f"vLLM {vllm.__version__}")
        self.align, self.rows = _custom_ops.moe_align_block_size, moe_permute_unpermute

    def permuted(self, o: dict):
        return call_with(self.rows.moe_permute, {
            "hidden_states": self.tokens(o), "a1q_scale": None, "topk_ids": self.experts(o),
            "n_expert": o["point"]["experts"], "permuted_hidden_states": None})

    def make_permute(self, o: dict):
        return self.permuted(o)

    def make_unpermute(self, o: dict):
        made = self.permuted(o)()
        if len(made) != 5:
            raise Unavailable("this release's moe_permute gives other tables")
        rows, _, offsets, places, _ = made
        out, weights = self.torch.empty_like(self.tokens(o)), self.weights(o)
        return lambda: self.rows.moe_unpermute(out, rows, weights, places, offsets)

    def make_topk_gate(self, o: dict):
        return call_with(self.align, self.aligned(o, o["point"]["experts"]))


class TransformerEngine(MoePeer):
    def __init__(self, torch, device: str):
        import transformer_engine  # pylint: disable=import-outside-toplevel
        from transformer_engine.pytorch import permutation  # pylint: disable=import-outside-toplevel

        super().__init__(torch, device, f"TransformerEngine {transformer_engine.__version__}")
        self.rows = permutation

    def permuted(self, o: dict):
        if o["dtypes"]["a"].startswith("fp8"):
            raise Unavailable("its permute takes FP8 as tensors of its own only")
        tokens, experts = self.tokens(o), self.experts(o)
        return lambda: self.rows.moe_permute(tokens, experts, experts.numel(), max_token_num=tokens.shape[0], map_type="index")

    def make_permute(self, o: dict):
        return self.permuted(o)

    def make_unpermute(self, o: dict):
        rows, places = self.permuted(o)()
        weights = self.weights(o)
        return lambda: self.rows.moe_unpermute(rows, places, weights, map_type="index")


class Sglang(MoePeer):
    def __init__(self, torch, device: str):
        import sgl_kernel  # pylint: disable=import-outside-toplevel

        super().__init__(torch, device, f"SGLang's sgl_kernel {getattr(sgl_kernel, '__version__', '')}".strip())
        self.align = sgl_kernel.moe_align_block_size

    def make_topk_gate(self, o: dict):
        """Its present kernel counts an expert more, for choices that were filtered out."""
        has_filter = "token_cnts_buffer" not in inspect.signature(self.align).parameters
        return call_with(self.align, self.aligned(o, o["point"]["experts"] + has_filter))


PEERS = {"vLLM (moe_permute, moe_unpermute, moe_align_block_size)": Vllm,
         "TransformerEngine (moe_permute, moe_unpermute)": TransformerEngine,
         "SGLang (sgl_kernel.moe_align_block_size)": Sglang}
