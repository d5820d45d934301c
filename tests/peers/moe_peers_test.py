# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/moe_peers.py with doubles that have the signatures of the packages' releases."""
import dataclasses
import types
import unittest

from doubles import MOE_POINT, FakeTensor, fake_peer, observation
import moe_peers
import observed


@dataclasses.dataclass
class ScratchForTokens:
    """Of vLLM 0.23 to 0.31, whose moe_permute asserts that its rows have a place here."""
    max_num_tokens: int
    topk: int
    num_experts: int
    num_local_experts: int
    device: str
    hidden_size: int | None = None
    hidden_dtype: str | None = None


@dataclasses.dataclass
class ScratchThatGrows:
    """Of vLLM 0.32 and newer."""
    num_experts: int
    num_local_experts: int
    device: str


class Signatures(unittest.TestCase):
    def test_releases_are_given_the_buffers_they_name(self):
        seen = {}

        def align(topk_ids, cumsum_buffer, pad=False):
            seen.update(topk_ids=topk_ids, cumsum_buffer=cumsum_buffer, pad=pad)

        moe_peers.call_with(align, {"topk_ids": 1, "cumsum_buffer": 2, "token_cnts_buffer": 3})()
        self.assertEqual(seen, {"topk_ids": 1, "cumsum_buffer": 2, "pad": False})
        with self.assertRaisesRegex(observed.Unavailable, "cumsum_buffer"):
            moe_peers.call_with(align, {"topk_ids": 1})


class MoePeers(unittest.TestCase):
    """Doubles have the signatures that the packages' releases have."""

    point = MOE_POINT

    def rows(self):
        seen = {}

        def moe_permute(hidden_states, a1q_scale, topk_ids, n_expert, n_local_expert=-1, expert_map=None,
                        permuted_hidden_states=None):
            seen.update(rows=hidden_states.shape, ids=topk_ids.shape, experts=n_expert, scale=a1q_scale)
            return "rows", None, "offsets", "places", "order"

        def moe_unpermute(out, permuted_hidden_states, topk_weights, inv_permuted_idx, expert_first_token_offset=None):
            seen.update(out=out.shape, weights=topk_weights.shape,
                        tables=(permuted_hidden_states, inv_permuted_idx, expert_first_token_offset))

        return types.SimpleNamespace(moe_permute=moe_permute, moe_unpermute=moe_unpermute), seen

    def test_vllm_permutes_and_unpermutes(self):
        rows, seen = self.rows()
        vllm = fake_peer(moe_peers.Vllm, rows=rows)
        vllm.make(observation("permute", self.point))()
        self.assertEqual(seen, {"rows": (6, 16), "ids": (6, 2), "experts": 4, "scale": None})
        vllm.make(observation("unpermute", self.point))()
        self.assertEqual((seen["out"], seen["weights"], seen["tables"]), ((6, 16), (6, 2), ("rows", "places", "offsets")))

    def test_vllms_earlier_release_took_its_output_first(self):
        seen = {}

        def moe_permute(permuted_hidden_states, hidden_states, a1q_scale, topk_ids, n_expert, align_block_size=None):
            seen.update(out=permuted_hidden_states, rows=hidden_states.shape)

        fake_peer(moe_peers.Vllm, rows=types.SimpleNamespace(moe_permute=moe_permute)).make(observation("permute", self.point))()
        self.assertEqual(seen, {"out": None, "rows": (6, 16)})

    def test_transformer_engine_is_given_indices(self):
        seen = {}

        def moe_permute(inp, routing_map, num_out_tokens, max_token_num=-1, map_type="mask"):
            seen.update(rows=inp.shape, ids=routing_map.shape, count=num_out_tokens, most=max_token_num, map=map_type)
            return "rows", "places"

        def moe_unpermute(inp, row_id_map, merging_probs=None, restore_shape=None, map_type="mask"):
            seen.update(tables=(inp, row_id_map), weights=merging_probs.shape, map=map_type)

        rows = types.SimpleNamespace(moe_permute=moe_permute, moe_unpermute=moe_unpermute)
        engine = fake_peer(moe_peers.TransformerEngine, rows=rows)
        engine.make(observation("permute", self.point))()
        self.assertEqual(seen, {"rows": (6, 16), "ids": (6, 2), "count": 12, "most": 6, "map": "index"})
        engine.make(observation("unpermute", self.point))()
        self.assertEqual((seen["tables"], seen["weights"], seen["map"]), (("rows", "places"), (6, 2), "index"))
        with self.assertRaisesRegex(observed.Unavailable, "FP8"):
            engine.make(observation("permute", self.point, dtypes={"a": "fp8_e4m3", "c": "fp8_e4m3"}))

    def test_align_kernels_get_tables_of_their_experts(self):
        seen = {}

        def present(topk_ids, num_experts, block_size, sorted_token_ids, experts_ids, num_tokens_post_pad, cumsum_buffer,
                    pad_sorted_token_ids=False):
            seen.update(experts=num_experts, rows=sorted_token_ids.numel(), blocks=experts_ids.numel(),
                        sums=cumsum_buffer.numel(), pads=pad_sorted_token_ids)

        def vllms(topk_ids, num_experts, block_size, sorted_token_ids, experts_ids, num_tokens_post_pad, expert_map=None):
            seen.update(experts=num_experts, rows=sorted_token_ids.numel(), ids=topk_ids.shape)

        gate = observation("topk_gate", self.point, dtypes={"a": "f32"})
        fake_peer(moe_peers.Sglang, align=present).make(gate)()
        self.assertEqual(seen, {"experts": 5, "rows": 12 + 5 * 127 + 1, "blocks": 6, "sums": 6, "pads": True})
        seen.clear()
        fake_peer(moe_peers.Vllm, align=vllms).make(gate)()
        self.assertEqual(seen, {"experts": 4, "rows": 12 + 4 * 127, "ids": (6, 2)})

    def test_align_tables_are_no_longer_than_blocks_of_the_choices(self):
        few = fake_peer(moe_peers.Vllm).aligned(observation("topk_gate", MOE_POINT | {"tokens": 1}), 4)
        self.assertEqual(few["sorted_token_ids"].numel(), 2 * 128)

    def test_vllms_tables_are_reused_where_its_release_can(self):
        for scratch, told in ((ScratchForTokens, (6, 2, 4, 4, "cuda", 16, "bf16")), (ScratchThatGrows, (4, 4, "cuda"))):
            seen = []

            def moe_permute(hidden_states, a1q_scale, topk_ids, n_expert, permuted_hidden_states=None, scratch=None):
                seen.append(scratch)  # pylint: disable=cell-var-from-loop

            rows = types.SimpleNamespace(moe_permute=moe_permute, MoEPermuteScratch=scratch)
            call = fake_peer(moe_peers.Vllm, rows=rows).make(observation("permute", self.point))
            call()
            call()
            self.assertEqual(dataclasses.astuple(seen[0]), told)
            self.assertIs(seen[0], seen[1])

    def test_a_scratch_that_needs_more_is_named(self):
        rows, _ = self.rows()
        rows.MoEPermuteScratch = lambda num_experts, workspace: None
        with self.assertRaisesRegex(observed.Unavailable, "also needs workspace"):
            fake_peer(moe_peers.Vllm, rows=rows).make(observation("permute", self.point))

    def deep_gemm(self, **functions):
        peer = fake_peer(moe_peers.DeepGemm, package=types.SimpleNamespace(**functions))
        tensors = {"tensor": lambda values, dtype, device: values, "int32": "int32",
                   "ones": lambda shape, device: FakeTensor(*shape), "empty": lambda shape, dtype, device: FakeTensor(*shape)}
        peer.torch = types.SimpleNamespace(**tensors)
        peer.operands = types.SimpleNamespace(device="cuda", dtype=str, uniform=lambda shape, _: FakeTensor(*shape),
                                              group_ends=lambda o: types.SimpleNamespace(tolist=lambda: [3, 3, 8]))
        return peer

    def test_deep_gemm_multiplies_padded_groups(self):
        seen = {}

        def product(a, b, d, m_indices):
            seen.update(a=[t.shape for t in a], b=[t.shape for t in b], d=d.shape, rows=m_indices)

        peer = self.deep_gemm(m_grouped_fp8_gemm_nt_contiguous=product, get_mk_alignment_for_contiguous_layout=lambda: 4,
                              get_mn_major_tma_aligned_tensor=lambda scales: scales)
        blocks = {"a": "fp8_e4m3", "b": "fp8_e4m3", "c": "bf16", "scale_mode": "block_128x128"}
        o = observation("grouped_gemm", {"groups": 3, "m": 3, "n": 144, "k": 272}, dtypes=blocks)
        peer.make(o)()
        self.assertEqual(seen, {"a": [(12, 272), (12, 3)], "b": [(3, 144, 272), (3, 2, 3)], "d": (12, 144),
                                "rows": [0, 0, 0, -1, 2, 2, 2, 2, 2, -1, -1, -1]})
        for other in ({"scale_mode": "tensor"}, {"scale_mode": "mx"}, {"a": "bf16"}):
            with self.assertRaisesRegex(observed.Unavailable, "scale mode block_128x128"):
                peer.make(o | {"dtypes": o["dtypes"] | other})
        self.assertTrue(peer.does("grouped_gemm"))
        self.assertFalse(peer.does("permute"))

    def test_deep_gemms_releases_name_their_padding_differently(self):
        self.assertEqual(self.deep_gemm(get_m_alignment_for_contiguous_layout=lambda: 128).row_multiple(), 128)
        with self.assertRaisesRegex(observed.Unavailable, "does not say"):
            self.deep_gemm().row_multiple()

    def test_deep_gemm_without_the_product_is_named(self):
        with self.assertRaisesRegex(observed.Unavailable, "no package deep_gemm"):
            moe_peers.DeepGemm(None, "cuda")

    def test_a_cast_is_not_theirs(self):
        with self.assertRaisesRegex(observed.Unavailable, "does not cast"):
            fake_peer(moe_peers.Vllm).make(observation("permute", self.point, dtypes={"c": "fp8_e4m3"}))


if __name__ == "__main__":
    unittest.main()
