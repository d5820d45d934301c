// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "core/routing.hpp"

/// What identifies a measurement: everything here takes part in the resume key and in grouping for
/// a fit.
namespace moecal {

/// The named numbers of one point of a sweep, e.g. {"m": 256, "n": 28672, "k": 4096} or {"bytes":
/// 1048576}. A collective's "bytes" is the size its cost function takes (see
/// collectives/README.md).
using Point = std::map<std::string, std::int64_t>;

/// Element types by role, as names of core/dtype.hpp; empty where a role does not exist.
struct Dtypes {
  std::string a;           // first operand, or the payload of a collective or copy
  std::string b;           // second operand
  std::string c;           // result
  std::string accumulate;  // of the arithmetic
  std::string scale_mode;  // none | tensor | outer_vector | block_1x128 | block_128x128 | mx
  // Of a product's operands, as BLAS, whose matrices are column-major, is told: the weights (b),
  // then the tokens (a). TN: rows of both along the summed index (forward); NN: the weights are
  // stored the other way round (gradient of the input); NT: both (gradient of the weights). Empty:
  // not said.
  std::string layout;
  bool operator==(const Dtypes&) const = default;
};

/// Which ranks of the launch take part.
struct Ranks {
  int world = 1;                         // ranks of the launch
  int group = 1;                         // ranks of one group
  std::string placement = "contiguous";  // contiguous | strided
  int concurrent_groups = 1;             // groups that run at once
  int nodes = 1;                         // nodes one group spans
  std::string tier = "intra";            // slowest link class a group crosses: intra | inter
  bool operator==(const Ranks&) const = default;
};

/// How the samples were taken.
struct Policy {
  std::string cache =
      "warm";  // warm | cold: buffers rotated over at least twice the last-level cache
  std::string graph = "none";    // none | cuda_graph
  int warmup = 0;                // launches before the first sample
  std::uint64_t order_seed = 0;  // of the order of the sweep
  std::string stop_rule;         // e.g. "median half-width <= 1 % at 95 %, or 0.5 s"
  bool operator==(const Policy&) const = default;
};

}  // namespace moecal
