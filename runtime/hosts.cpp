// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/hosts.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
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

std::vector<std::string> hosts_of_ranks(ControlPlane& plane) {
  const std::string own = host_name();
  std::vector<std::string> hosts;
  for (int rank = 0; rank < plane.size(); ++rank) {
    std::array<char, 256> host{};
    std::copy_n(own.begin(), std::min(own.size(), host.size() - 1), host.begin());
    plane.broadcast(host, rank);
    hosts.emplace_back(host.data());
  }
  return hosts;
}

int rank_on_host(std::span<const std::string> hosts, int rank) {
  const auto before = hosts.first(static_cast<std::size_t>(rank));
  return static_cast<int>(std::ranges::count(before, hosts[static_cast<std::size_t>(rank)]));
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
