// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "core/join.hpp"

namespace moecal::collectives {
namespace {

constexpr char kUnknown[] = "unknown";

/// Takes `prefix` off the front of `text`, if it is there.
bool skip(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Takes what comes before a blank off the front of `text`.
std::string_view word(std::string_view& text) {
  const auto taken = text.substr(0, text.find(' '));
  text.remove_prefix(taken.size());
  return taken;
}

/// A name, not the number that old releases write.
bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789-") != std::string_view::npos;
}

/// "RING LL" of a line that speaks of the call, else empty.
std::string choice_of(std::string_view line, const LoggedCall& call) {
  constexpr std::string_view kInfo = "NCCL INFO ";
  const auto info = line.find(kInfo);
  if (info == std::string_view::npos) return "";
  line.remove_prefix(info + kInfo.size());
  if (!skip(line, call.function) || !skip(line, ": ")) return "";
  const auto number = word(line);
  std::int64_t bytes = 0;
  const auto [end, problem] = std::from_chars(number.begin(), number.end(), bytes);
  if (problem != std::errc{} || end != number.end() || bytes != call.bytes) return "";
  if (!skip(line, " Bytes -> Algo ")) return "";
  const auto algorithm = word(line);
  if (!skip(line, " proto ")) return "";
  const auto protocol = word(line);
  if (!is_name(algorithm) || !is_name(protocol)) return "";
  return std::string{algorithm} + " " + std::string{protocol};
}

std::string text_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

/// Whether a list of subsystems ("INIT,TUNING", "ALL", "^NET") has the one that says the algorithm.
bool logs_tuning(const std::string& list) {
  const std::string all = "," + list + ",";
  const bool named =
      all.find(",TUNING,") != std::string::npos || all.find(",ALL,") != std::string::npos;
  return list.starts_with('^') ? list.find("TUNING") == std::string::npos : named;
}

/// NCCL's name of this host: up to the first dot.
std::string short_host_name() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string whole{host.data()};
  return whole.substr(0, whole.find('.'));
}

}  // namespace

std::string algorithm_in_log(std::string_view log, const LoggedCall& call) {
  if (call.function.empty()) return kUnknown;
  std::vector<std::string> found;
  while (!log.empty()) {
    const auto end = std::min(log.find('\n'), log.size());
    const std::string choice = choice_of(log.substr(0, end), call);
    if (!choice.empty() && std::ranges::find(found, choice) == found.end()) found.push_back(choice);
    log.remove_prefix(std::min(end + 1, log.size()));
  }
  return found.empty() ? kUnknown : join(found);
}

std::string expand_nccl_path(std::string_view pattern, const std::string& host,
                             const std::string& process) {
  std::string path;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const char next = pattern[at] == '%' && at + 1 < pattern.size() ? pattern[at + 1] : '\0';
    if (next == '\0') {
      path += pattern[at];
      continue;
    }
    ++at;
    path += next == 'h' ? host : next == 'p' ? process : next == '%' ? "%" : std::string{'%', next};
  }
  return path;
}

std::string nccl_log_path() {
  std::string level = text_of("NCCL_DEBUG");
  std::ranges::transform(level, level.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const std::string path = text_of("NCCL_DEBUG_FILE");
  if ((level != "INFO" && level != "TRACE") || !logs_tuning(text_of("NCCL_DEBUG_SUBSYS")) ||
      path.empty())
    return "";
  return expand_nccl_path(path, short_host_name(), std::to_string(::getpid()));
}

NcclLogTail::NcclLogTail(std::string path) : path_{std::move(path)} {
  std::error_code missing;
  const auto size = std::filesystem::file_size(path_, missing);
  if (!missing) start_ = static_cast<std::int64_t>(size);
}

std::string NcclLogTail::algorithm_of(const LoggedCall& call) const {
  std::ifstream stream{path_, std::ios::binary};
  if (!stream.seekg(start_)) return kUnknown;
  const std::string log{std::istreambuf_iterator<char>{stream}, {}};
  return algorithm_in_log(log, call);
}

}  // namespace moecal::collectives
