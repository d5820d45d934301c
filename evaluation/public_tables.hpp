// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <vector>

#include "evaluation/splits.hpp"

namespace moecal::evaluation {

/// One of the public tables (collectives or GEMMs), read by moecal's importer.
struct PublicTable {
  std::string file;                       // as the split names it
  std::string card;                       // id, e.g. b200-sxm
  ObservationFile rows;                   // of the split's dtypes, in the order of the file
  std::map<std::string, int> not_scored;  // "dtype nvfp4" -> rows
};

/// The split's tables under the folder `data`.
/// @throws InvalidInput if one is missing, or holds a row of a dtype that is scored and cannot be
/// used: nothing may be filtered from what is scored.
[[nodiscard]] std::vector<PublicTable> read_public_tables(const std::string& data,
                                                          const Split& split);

/// One row of a public table of whole MoE layers (two grouped GEMMs, gated).
struct MoeRow {
  std::string card;   // id
  std::string dtype;  // bf16, fp8_e4m3, fp8_e4m3_block
  std::string implementation, release;
  std::int64_t tokens = 0, hidden = 0, inter = 0, top_k = 0, experts = 0;
  int tensor_parallel = 1, expert_parallel = 1;
  std::string distribution;  // power_law_1.2, balanced
  double seconds = 0;

  /// The numbers that a fold keeps together, joined by commas: of the configuration
  /// (hidden_size,inter_size,topk,num_experts,moe_tp_size,moe_ep_size) and of the model (its first
  /// four).
  [[nodiscard]] std::string configuration() const;
  [[nodiscard]] std::string model() const;
};

struct MoeTable {
  std::string file, card;
  std::vector<MoeRow> rows;               // of the split's dtypes, in the order of the file
  std::map<std::string, int> not_scored;  // "dtype nvfp4" -> rows
};

/// @throws InvalidInput as read_public_tables.
[[nodiscard]] std::vector<MoeTable> read_moe_tables(const std::string& data, const Split& split);

/// moecal's word for a dtype in these reports: `a`, with "_block" where scales are per block.
[[nodiscard]] std::string dtype_label(const Dtypes& dtypes);

}  // namespace moecal::evaluation
