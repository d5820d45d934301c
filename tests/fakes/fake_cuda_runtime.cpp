// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/fake_cuda_runtime.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace moecal::tests {

FakeCudaDevice& fake_cuda() {
  static FakeCudaDevice device;
  return device;
}

bool FakeCudaDevice::owns(const void* start, std::size_t bytes) const {
  const std::lock_guard lock{buffers_mutex};
  const auto* first = static_cast<const std::byte*>(start);
  const auto after = buffers.upper_bound(first);
  if (after == buffers.begin()) return false;
  const auto& [buffer, size] = *std::prev(after);
  return first + bytes <= buffer + size;
}

namespace {

constexpr std::size_t kAlignment = 256;  // cudaMalloc's
constexpr int kUnwritten = 0xFF;         // NaN in every floating-point type

cudaError_t allocate(void** pointer, std::size_t bytes) {
  if (bytes > fake_cuda().memory) return cudaErrorMemoryAllocation;
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  *pointer = std::aligned_alloc(kAlignment, rounded);
  std::memset(*pointer, kUnwritten, bytes);
  const std::lock_guard lock{fake_cuda().buffers_mutex};
  fake_cuda().buffers[static_cast<std::byte*>(*pointer)] = bytes;
  return cudaSuccess;
}

cudaError_t release(void* pointer) {
  const std::lock_guard lock{fake_cuda().buffers_mutex};
  if (fake_cuda().buffers.erase(static_cast<std::byte*>(pointer)) == 0)
    return cudaErrorInvalidValue;
  std::free(pointer);
  return cudaSuccess;
}

double& time_of(cudaEvent_t event) { return *reinterpret_cast<double*>(event); }

}  // namespace
}  // namespace moecal::tests

using namespace moecal::tests;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = fake_cuda().devices;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::snprintf(properties->name, sizeof properties->name, "Fake GPU");
  properties->major = fake_cuda().compute_major;
  properties->minor = fake_cuda().compute_minor;
  properties->totalGlobalMem = fake_cuda().memory;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  std::snprintf(id, static_cast<std::size_t>(length), "0000:%02x:00.0", device);
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  return device < fake_cuda().devices ? cudaSuccess : cudaErrorInvalidDevice;
}
cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorName(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorFake";
}
const char* cudaGetErrorString(cudaError_t) { return "the fake says so"; }

cudaError_t cudaMalloc(void** pointer, size_t bytes) { return allocate(pointer, bytes); }
cudaError_t cudaFree(void* pointer) { return release(pointer); }
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = reinterpret_cast<cudaStream_t>(new char);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete reinterpret_cast<char*>(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = reinterpret_cast<cudaEvent_t>(new double{0});
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<double*>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  time_of(event) = fake_cuda().clock_ms;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) {
  return fake_cuda().stuck ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  *milliseconds = static_cast<float>(time_of(stop) - time_of(start));
  return cudaSuccess;
}

}  // extern "C"
