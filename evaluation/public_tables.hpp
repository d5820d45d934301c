// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>
#include <vector>

#include "evaluation/splits.hpp"

namespace moecal::evaluation {

/// One of the public tables (collectives, GEMMs or MoE layers), read by moecal's importer.
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

/// moecal's word for a dtype in these reports: `a`, with "_block" where scales are per block;
/// "not_recorded" where the table does not say it.
[[nodiscard]] std::string dtype_label(const Dtypes& dtypes);

}  // namespace moecal::evaluation
