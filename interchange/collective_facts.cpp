// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/collective_facts.hpp"

#include <cctype>
#include <map>
#include <regex>
#include <set>

#include "core/collective.hpp"

namespace moecal::interchange {
namespace {

// Type names of nccl-tests and rccl-tests over their releases; empty: moecal has no word for it.
const std::map<std::string, std::string, std::less<>>& nccl_types() {
  static const std::map<std::string, std::string, std::less<>> kTypes{{"float", "f32"},
                                                                      {"float32", "f32"},
                                                                      {"half", "f16"},
                                                                      {"float16", "f16"},
                                                                      {"bfloat16", "bf16"},
                                                                      {"bf16", "bf16"},
                                                                      {"int8", "int8"},
                                                                      {"char", "int8"},
                                                                      {"uint8", "uint8"},
                                                                      {"int32", "int32"},
                                                                      {"int", "int32"},
                                                                      {"fp8_e4m3", "fp8_e4m3"},
                                                                      {"f8e4m3", "fp8_e4m3"},
                                                                      {"f8e5m2", "fp8_e5m2"},
                                                                      {"fp8_e5m2", "fp8_e5m2"},
                                                                      {"float8e4m3", "fp8_e4m3"},
                                                                      {"float8e5m2", "fp8_e5m2"},
                                                                      {"double", ""},
                                                                      {"float64", ""},
                                                                      {"int64", ""},
                                                                      {"uint64", ""},
                                                                      {"uint32", ""}};
  return kTypes;
}

/// Lower-case letters alone.
std::string letters_of(std::string_view text) {
  std::string letters;
  for (const char c : text)
    if (std::isalpha(static_cast<unsigned char>(c)) != 0)
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return letters;
}

}  // namespace

std::string collective_word(std::string_view foreign) {
  const std::string letters = letters_of(foreign);
  for (const auto& facts : collectives())
    if (!facts.bytes.empty() && letters_of(facts.name) == letters) return std::string{facts.name};
  return "";
}

std::string collective_named_in(const std::string& file_name) {
  static const std::regex kName{
      "(all[-_]?reduce|all[-_]?gather|reduce[-_]?scatter|all[-_]?to[-_]?all|broadcast|send[-_]?"
      "recv)",
      std::regex::icase};
  std::set<std::string> found;
  for (std::sregex_iterator at{file_name.begin(), file_name.end(), kName}, end; at != end; ++at)
    found.insert(collective_word((*at)[1].str()));
  return found.size() == 1 ? *found.begin() : "";
}

std::optional<std::string> dtype_word(std::string_view nccl_type) {
  const auto found = nccl_types().find(nccl_type);
  if (found == nccl_types().end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::optional<std::string> short_dtype_word(std::string_view word) {
  if (word == "fp32") return "f32";
  if (word == "fp16") return "f16";
  if (word == "bfp16") return "bf16";  // hccl_test's
  return dtype_word(word);
}

bool is_nccl_type(std::string_view word) { return nccl_types().contains(word); }

Work collective_work(std::string_view operation, Bytes bytes, int ranks) {
  Work work;
  work.sent = bus_factor(operation, ranks) * bytes;
  return work;
}

}  // namespace moecal::interchange
