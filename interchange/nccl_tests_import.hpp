// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "interchange/importer.hpp"
#include "interchange/nccl_tests_text.hpp"

namespace moecal::interchange {

/// Turns the runs of one file of nccl-tests, text or JSON, into observations.
/// @throws InvalidInput if a card is not known.
[[nodiscard]] Imported import_nccl_tables(const std::vector<NcclTable>& tables,
                                          const ForeignFile& file, const ImportOptions& options);

}  // namespace moecal::interchange
