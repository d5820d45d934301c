// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/cost_source.hpp"

#include <algorithm>
#include <sstream>

namespace moecal::planning {

std::string CostCall::str() const {
  const auto& all = cost_functions();
  const auto signature =
      std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.name == function; });
  std::ostringstream text;
  text.precision(12);
  text << function << "(";
  const char* separator = "";
  for (const auto& parameter : signature->parameters) {
    text << separator;
    separator = ", ";
    if (parameter == "dtype")
      text << dtype;
    else if (parameter == "tier")
      text << tier;
    else
      text << number(parameter);
  }
  return text.str() + ")";
}

double Cost::seconds() const {
  double sum = 0;
  for (const auto& part : parts) sum += part.seconds;
  return sum;
}

const std::vector<Signature>& cost_functions() {
  static const std::vector<Signature> kFunctions{
      {"gemm", {"m", "n", "k", "dtype"}},
      {"grouped_gemm", {"groups", "m", "n", "k", "dtype"}},
      {"attn", {"batch", "sequence", "heads", "head_width", "dtype"}},
      {"gate", {"tokens", "experts", "hidden", "top_k", "dtype"}},
      {"permute", {"tokens", "hidden", "top_k", "dtype"}},
      {"unpermute", {"tokens", "hidden", "top_k", "dtype"}},
      {"all_reduce", {"bytes", "group", "tier"}},
      {"all_reduce_nvls", {"bytes", "group", "tier"}},
      {"reduce_scatter", {"bytes", "group", "tier"}},
      {"all_gather", {"bytes", "group", "tier"}},
      {"all_to_all", {"bytes", "group", "tier"}},
      {"broadcast", {"bytes", "group", "tier"}},
      {"send_recv", {"bytes", "tier"}},
      {"h2d", {"bytes"}},
      {"d2h", {"bytes"}},
      {"cpu_adam", {"parameters"}},
      {"stream", {"bytes"}}};
  return kFunctions;
}

}  // namespace moecal::planning
