// The little of Node.js that these programs use, without a package of types.
declare const process: { env: Record<string, string | undefined> };
