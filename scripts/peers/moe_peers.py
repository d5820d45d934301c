# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""Kernels of vLLM, TransformerEngine, SGLang and DeepGEMM at the work of an observation, where Python finds their packages.
Their permutes sort the choices too, as moecal's gate does: they are held against permute and the gate's table together.
Their align kernels make such a table, and are held against it alone."""
from __future__ import annotations

import importlib
import importlib.util
import inspect

from observed import Unavailable, kind, seconds
from operands import Operands
from ratios import gate_of, table_seconds

BLOCK_ROWS = 128  # to which align kernels pad an expert's rows
STORED_AT_ONCE = 4  # rows that align kernels fill their table by


def imported(name: str):
    """The module. @throws Unavailable: what was looked for, and how to point to it."""
    package = name.split(".", maxsplit=1)[0]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise Unavailable(f"this python3 has no package {package}; if you have built it beside, --peer-path DIR names the "
                          f"folder that holds {package}/__init__.py")
    try:
        return importlib.import_module(name)
    except Exception as error:  # a build for another PyTorch or another Python fails in any way  # pylint: disable=broad-except
        raise Unavailable(f"{name} of {spec.origin} cannot be imported: {type(error).__name__}: {error}") from error


class MoePeer:
    """What the three share. Constructors raise Unavailable where the package is not."""

    names_gaps = False

    def __init__(self, torch, device: str, name: str):
        self.torch, self.operands = torch, Operands(torch, device)
        self.name = name

    def does(self, operation: str) -> bool:
        return hasattr(self, "make_" + operation)

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
        rows = min(choices.numel() * BLOCK_ROWS, choices.numel() + experts * (BLOCK_ROWS - 1))
        rows += -rows % STORED_AT_ONCE
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
        super().__init__(torch, device, f"vLLM {imported('vllm').__version__}")
        self.align = imported("vllm._custom_ops").moe_align_block_size
        self.rows = imported("vllm.model_executor.layers.fused_moe.moe_permute_unpermute")
        if not hasattr(torch.ops._moe_C, "moe_align_block_size"):
            raise Unavailable(f"{self.name} has no compiled kernels: torch.ops._moe_C lacks moe_align_block_size")

    def permuted(self, o: dict):
        tokens = self.tokens(o)
        return call_with(self.rows.moe_permute, {
            "hidden_states": tokens, "a1q_scale": None, "topk_ids": self.experts(o), "n_expert": o["point"]["experts"],
            "permuted_hidden_states": None, "scratch": self.scratch(o["point"], tokens)})

    def scratch(self, point: dict, tokens):
        """Where the release can, its tables are made once and not at every call, as its own layers do. Some of its scratch
        hold the permuted rows too, and are for a number of tokens that they are told."""
        make = getattr(self.rows, "MoEPermuteScratch", None)
        return make and call_with(make, {
            "max_num_tokens": point["tokens"], "topk": point["top_k"], "num_experts": point["experts"],
            "num_local_experts": point["experts"], "device": self.operands.device, "hidden_size": point["hidden"],
            "hidden_dtype": tokens.dtype})()

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
        super().__init__(torch, device, f"TransformerEngine {imported('transformer_engine').__version__}")
        self.rows = imported("transformer_engine.pytorch.permutation")

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
        sgl_kernel = imported("sgl_kernel")
        super().__init__(torch, device, f"SGLang's sgl_kernel {getattr(sgl_kernel, '__version__', '')}".strip())
        self.align = sgl_kernel.moe_align_block_size

    def make_topk_gate(self, o: dict):
        """Its present kernel counts an expert more, for choices that were filtered out."""
        has_filter = "token_cnts_buffer" not in inspect.signature(self.align).parameters
        return call_with(self.align, self.aligned(o, o["point"]["experts"] + has_filter))


class DeepGemm(MoePeer):
    """Products of groups whose rows are padded to its tiles. What pads is marked, and not multiplied where a tile has
    nothing else."""

    PRODUCT = "m_grouped_fp8_gemm_nt_contiguous"
    PADDING = -1
    SCALED = 128  # summed indices, and weights, that share a scale

    def __init__(self, torch, device: str):
        self.package = imported("deep_gemm")
        super().__init__(torch, device, f"DeepGEMM {getattr(self.package, '__version__', '')}".strip())
        if not hasattr(self.package, self.PRODUCT):
            raise Unavailable(f"{self.name} has no {self.PRODUCT}")

    def make(self, o: dict):
        return self.make_grouped_gemm(o)

    def make_grouped_gemm(self, o: dict):
        p, d = o["point"], o["dtypes"]
        if (d["a"], d["scale_mode"], d["c"]) != ("fp8_e4m3", "block_128x128", "bf16"):
            raise Unavailable("it multiplies fp8_e4m3 to bf16 with scale mode block_128x128, of what is measured here")
        groups = self.group_of_row(self.operands.group_ends(o).tolist())
        ones, blocks = self.torch.ones, -(-p["k"] // self.SCALED)
        device = self.operands.device
        of_tokens = self.package.get_mn_major_tma_aligned_tensor(ones((len(groups), blocks), device=device))
        of_weights = ones((p["groups"], -(-p["n"] // self.SCALED), blocks), device=device)
        tokens = self.operands.uniform((len(groups), p["k"]), d["a"]), of_tokens
        weights = self.operands.uniform((p["groups"], p["n"], p["k"]), d["b"]), of_weights
        out = self.torch.empty((len(groups), p["n"]), dtype=self.operands.dtype(d["c"]), device=device)
        groups = self.torch.tensor(groups, dtype=self.torch.int32, device=device)
        product = getattr(self.package, self.PRODUCT)
        return lambda: product(tokens, weights, out, groups)

    def group_of_row(self, ends: list[int]) -> list[int]:
        multiple = self.row_multiple()
        groups, first = [], 0
        for group, end in enumerate(ends):
            groups += [group] * (end - first) + [self.PADDING] * (-(end - first) % multiple)
            first = end
        return groups

    def row_multiple(self) -> int:
        """Releases name it differently."""
        for name in ("get_mk_alignment_for_contiguous_layout", "get_m_alignment_for_contiguous_layout"):
            if hasattr(self.package, name):
                return getattr(self.package, name)()
        raise Unavailable(f"{self.name} does not say to what it pads groups")


PEERS = {"vLLM (moe_permute, moe_unpermute, moe_align_block_size)": Vllm,
         "TransformerEngine (moe_permute, moe_unpermute)": TransformerEngine,
         "SGLang (sgl_kernel.moe_align_block_size)": Sglang,
         "DeepGEMM (m_grouped_fp8_gemm_nt_contiguous)": DeepGemm}
