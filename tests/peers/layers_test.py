# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/layers.py: every layer, cold ones too, gives the sum of its parts beside the whole."""
import unittest

from doubles import observation
import compared
import layers
import promised
import sections


def layer(parts_cache, cache="cold"):
    return observation("moe_layer", {"tokens": 2048, "experts": 64}, 90e-6, cache=cache, parts_cache=parts_cache,
                       parts_s={"gate": [1e-6, 1e-6, 9e-6], "gemm_1": [60e-6], "gemm_2": [38e-6, 40e-6]})


class Layers(unittest.TestCase):
    def test_a_cold_layer_with_a_small_part_gives_a_least_sum_and_names_the_part(self):
        o = layer({"gate": "warm", "gemm_1": "cold", "gemm_2": "cold"})
        self.assertEqual(layers.line(o), "| moe_layer tokens=2048 experts=64 bf16 cold | 90.0 | at least 1.11 | gate 1.0 % | "
                         "gemm_1 60.0 %, gemm_2 39.0 %, gate 1.0 % |")

    def test_a_layer_whose_parts_were_as_cold_gives_the_sum(self):
        cold = {"gate": "cold", "gemm_1": "cold", "gemm_2": "cold"}
        for o in (layer(cold), layer({}, "warm")):
            self.assertIn("| 90.0 | 1.11 | - |", layers.line(o))
        self.assertIn("| at least 1.11 | gemm_1 60.0 %, ", layers.line(layer({})), "it is not known what they found")

    def test_it_is_a_section_whatever_was_measured(self):
        failed = {"operation": "moe_layer", "point": {"tokens": 1}, "outcome": {"kind": "failed", "reason": "no memory"}}
        for points, said in ((promised.Points([layer({})], []), "| at least 1.11 |"),
                             (promised.Points([observation("moe_layer", {"tokens": 1})], []), "its parts were not timed"),
                             (promised.Points([observation("swiglu", {})], [failed]),
                              "not yet measured.\n- failed: {'tokens': 1}: no memory")):
            texts = sections.without_peers(compared.without_peers(points), points, True)
            self.assertTrue(any(layers.TITLE in text and said in text for text in texts), texts)


if __name__ == "__main__":
    unittest.main()
