// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/hosts.hpp"

#include <unistd.h>

#include <cstdlib>
#include <map>

#include "core/hash.hpp"

namespace moecal {
namespace {

/// Cut to the 53 bits that a double carries exactly.
double digest(const std::string& text) { return static_cast<double>(hash_of(text) >> 11); }

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
