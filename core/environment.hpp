// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <map>
#include <string>

namespace moecal {

inline constexpr char kEnvironmentSchema[] = "moecal.environment/1";

/// Where a run was measured. One line of the observation file; observations name it by id.
struct Environment {
  std::string card;  // e.g. b200-sxm: keys kernels
  std::string
      system;  // e.g. b200-sxm-8: card, devices per node, link: keys collectives and host copies
  std::string device_name;                       // as the driver or the CPU says it
  std::string host;                              // host name; empty for imported data
  std::string driver;                            // version; empty on a CPU
  std::map<std::string, std::string> libraries;  // name -> runtime version
  std::map<std::string, std::string>
      settings;  // NCCL_*, OMPI_*, OMP_NUM_THREADS, clocks, power limit, ...

  /// A digest of everything above: equal environments have equal ids on every machine.
  [[nodiscard]] std::string id() const;
};

[[nodiscard]] std::string to_json_line(const Environment& environment);

/// Lower case, with runs of other characters as one '-': "AMD EPYC 7B13" -> "amd-epyc-7b13".
[[nodiscard]] std::string slug(const std::string& text);

}  // namespace moecal
