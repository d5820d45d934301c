// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/exchanged_bytes.hpp"

#include <algorithm>
#include <numeric>

namespace moecal {

double bytes_of_busiest_rank(const ExchangedBytes& exchanged) {
  std::int64_t most = 0;
  for (const auto* of_ranks : {&exchanged.sent, &exchanged.received})
    for (const auto bytes : *of_ranks) most = std::max(most, bytes);
  return static_cast<double>(most);
}

double mean_bytes(const ExchangedBytes& exchanged) {
  if (exchanged.empty()) return 0;
  const auto all = std::accumulate(exchanged.sent.begin(), exchanged.sent.end(), std::int64_t{0});
  return static_cast<double>(all) / static_cast<double>(exchanged.sent.size());
}

}  // namespace moecal
