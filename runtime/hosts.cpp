// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/hosts.hpp"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <map>

namespace moecal {
namespace {

/// FNV-1a, cut to the 53 bits that a double carries exactly.
double digest(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return static_cast<double>(hash >> 11);
}

}  // namespace

std::string host_name() {
  if (const char* node = std::getenv("MOECAL_NODE")) return node;
  char name[256] = "unknown";
  ::gethostname(name, sizeof name - 1);
  return name;
}

std::vector<int> nodes_of_ranks(ControlPlane& plane) {
  std::vector<double> digests(static_cast<std::size_t>(plane.size()));
  digests[plane.rank()] = digest(host_name());
  plane.max(digests);
  std::map<double, int> numbers;
  std::vector<int> nodes;
  for (const double host : digests)
    nodes.push_back(numbers.emplace(host, static_cast<int>(numbers.size())).first->second);
  return nodes;
}

}  // namespace moecal
